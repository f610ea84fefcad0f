package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"appliance/internal/otlpwire"
	"appliance/internal/rules"
)

func newReceiverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "receiver",
		Short: "Explain what is let in",
	}
	c.AddCommand(newReceiverExplainCommand())
	return c
}

// requestExplanation is what `appliance receiver explain` says.
type requestExplanation struct {
	Spans int `json:"spans"`
	Left  int `json:"spans_left"`
	rules.Explanation
}

func newReceiverExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain FILE",
		Short: "Say what receiver.rules do to a request",
		Long: `Say what receiver.rules do to a request: which spans they drop, which attributes and texts they change.
FILE is the body of an OTLP/HTTP request, in protobuf or JSON, plain or in gzip; - reads it from standard input.
Nothing is sent or written.`,
		Example: `  appliance receiver explain request.json
  appliance archive find 4bf92f3577b34da6a3ce929d0e0e4736 -o json | appliance receiver explain -`,
		Args: cobra.ExactArgs(1),
	}
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		conf, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		set, err := rules.New(conf.Receiver.Rules)
		if err != nil {
			return conf.At("receiver.rules", err)
		}
		if set == nil {
			return &usageError{errors.New("there are no rules: receiver.rules is empty"), "Try: appliance receiver explain FILE --config FILE"}
		}
		body, err := readRequest(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		x, err := explainRequest(set, body)
		if err != nil {
			return fmt.Errorf("apply the rules to %s: %w", args[0], err)
		}
		if format == "json" {
			return writeJSON(cmd.OutOrStdout(), x)
		}
		_, err = io.WriteString(cmd.OutOrStdout(), x.text())
		return err
	}
	return addConfigFlags(c)
}

func explainRequest(set *rules.Set, body []byte) (x requestExplanation, err error) {
	limits := new(otlpwire.Limits)
	before, err := limits.Walk(body, func(*otlpwire.Span) {})
	if err != nil {
		return x, err
	}
	var left []byte
	if x.Explanation, left, err = set.Explain(body); err != nil {
		return x, err
	}
	after, err := limits.Walk(left, func(*otlpwire.Span) {})
	x.Spans, x.Left = before.Spans, after.Spans
	return x, err
}

// maxExplained bounds the request, as it is and decompressed.
const maxExplained = 256 << 20

// readRequest reads a request in any of its forms, and returns it in protobuf.
func readRequest(stdin io.Reader, path string) ([]byte, error) {
	from := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open the request: %w", err)
		}
		defer f.Close()
		from = f
	}
	body, err := readAtMost(from, path)
	if err == nil && bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = readAtMost(z, path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if text := bytes.TrimLeft(body, "\xef\xbb\xbf \t\r\n"); bytes.HasPrefix(text, []byte("{")) {
		if body, err = new(otlpwire.Limits).FromJSON(nil, text); err != nil {
			return nil, fmt.Errorf("read %s as OTLP in JSON: %w", path, err)
		}
	}
	return body, nil
}

func readAtMost(from io.Reader, path string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(from, maxExplained+1))
	if err == nil && len(b) > maxExplained {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxExplained)
	}
	return b, err
}

func (x requestExplanation) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, of which %d left\n", several(x.Spans, "span"), x.Left)
	for _, r := range x.Rules {
		fmt.Fprintf(&b, "\n%s\n", r.Rule)
		if r.Spans == 0 && r.Edits == 0 {
			b.WriteString("  nothing\n")
		}
		if r.Spans > 0 {
			fmt.Fprintf(&b, "  drops %s: %s\n", several(r.Spans, "span"), strings.Join(r.Named, ", "))
		}
		if r.Edits > 0 {
			fmt.Fprintf(&b, "  edits %s: %s\n  of: %s\n", several(r.Edits, "value"), strings.Join(r.Keys, ", "), strings.Join(r.Of, ", "))
		}
	}
	return b.String()
}
