package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// confirm asks a person; where there is none, it is an error that names --yes.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	if f, ok := in.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return &usageError{errors.New("there is no terminal to ask on; --yes goes ahead without asking"), "It would have asked: " + question}
	}
	return ask(ctx, in, out, question)
}

// ask returns nil where the answer is yes. It ends with ctx, and what is read of
// in after that is lost: the command ends too.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	fmt.Fprint(out, question+" [y/N] ")
	type line struct {
		text string
		err  error
	}
	answered := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		answered <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return errors.New("interrupted; nothing was changed")
	case answer := <-answered:
		if answer.err != nil && !errors.Is(answer.err, io.EOF) {
			return fmt.Errorf("read the answer: %w", answer.err)
		}
		if a := strings.ToLower(strings.TrimSpace(answer.text)); a != "y" && a != "yes" {
			return errors.New("not confirmed; nothing was changed")
		}
		return nil
	}
}
