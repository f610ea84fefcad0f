package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	// maxFile is how many bytes of a configuration are read: the parser takes time
	// by the square of the number of keys in a group.
	maxFile = 256 << 10
	// maxNesting is how many brackets are open, and maxDashes how many dashes a
	// line has: the parser takes time and memory by the square of either.
	maxNesting, maxDashes = 100, 1000
)

// ErrNested says what is wrong with the line of TooNested.
var ErrNested = errors.New("too many brackets are open, or there are too many dashes in a line; " +
	"write it in several lines")

// TooNested returns the first line of a YAML text that would cost a parser too
// much, counted from 1; 0 if there is none.
func TooNested(text []byte) (line int) {
	number, open := 0, 0
	for line := range bytes.Lines(text) {
		number++
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			continue
		}
		dashes := 0
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1) // one in a text must not pay for those to come
			case '-', '?':
				dashes++
			}
			if open > maxNesting || dashes > maxDashes {
				return number
			}
		}
	}
	return 0
}

// readFile returns the text of a configuration, in UTF-8 and not too large to be
// parsed. Its errors are of *Error.
func readFile(path string) ([]byte, error) {
	text, err := readBounded(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("no such file; name the configuration with --config, or leave it out to run with the defaults")
	case err != nil:
		err = fmt.Errorf("read configuration: %w", errors.Unwrap(err))
	case len(text) > maxFile:
		err = fmt.Errorf("read configuration: more than %d bytes are not one; is it the right file?", maxFile)
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		err = errors.New("begins with the byte order mark of UTF-16; save it as UTF-8")
	}
	if err != nil {
		return nil, &Error{Where: path, Err: err}
	}
	// with which editors on Windows begin a file
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if line := TooNested(text); line > 0 {
		return nil, &Error{Where: fmt.Sprintf("%s:%d:1", path, line), Err: ErrNested}
	}
	return text, nil
}

// readBounded reads a byte more than a configuration may have, at most.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}
