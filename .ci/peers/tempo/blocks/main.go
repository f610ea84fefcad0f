// Command tempo-blocks writes, merges and reads blocks with Tempo's own code
// and without a server. Tests use it to compare other people's blocks with
// Tempo's.
//
//	tempo-blocks create       [flags] DIR TENANT FILE...       OTLP files into one block; prints its id
//	tempo-blocks compact      [flags] DIR TENANT BLOCK BLOCK...  merges blocks; prints the ids of the result
//	tempo-blocks dump         [flags] DIR TENANT BLOCK         all traces as OTLP, each behind its length
//	tempo-blocks find         DIR TENANT BLOCK [ID...]         the same through the lookup by id; no ID: every trace
//	tempo-blocks rows         [flags] DIR TENANT BLOCK         every column of every trace, a JSON line a trace
//	tempo-blocks search       [flags] DIR TENANT BLOCK...      TraceQL, a query a line on stdin; a JSON line an answer
//	tempo-blocks tags         DIR TENANT BLOCK...              names and values of all attributes, JSON lines
//	tempo-blocks validate     DIR TENANT BLOCK                 Tempo's own check of a block
//	tempo-blocks bench-create [flags] DIR TENANT FILE...       as create; prints spans, CPU seconds, peak RSS, bytes
//	tempo-blocks bench-query  [flags] DIR TENANT BLOCK         as search; prints the CPU seconds of each query
//
// DIR is a directory of Tempo's local backend. A FILE is a TracesData or
// ExportTraceServiceRequest in protobuf, gzipped if its name ends in .gz. One
// that ends in .stream or .stream.gz is a row of them, each behind its length
// as a varint. "-" is a stream on stdin.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// A command parses its arguments and writes its answer.
type command func(ctx context.Context, args []string, out io.Writer) error

func commands() map[string]command {
	return map[string]command{
		"create":       runCreate,
		"compact":      runCompact,
		"dump":         runDump,
		"find":         runFind,
		"rows":         runRows,
		"search":       runSearch,
		"tags":         runTags,
		"validate":     runValidate,
		"bench-create": runBenchCreate,
		"bench-query":  runBenchQuery,
	}
}

func main() {
	if len(os.Args) < 2 || commands()[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: tempo-blocks create|compact|dump|find|rows|search|tags|validate|bench-create|bench-query ...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	err := errors.Join(commands()[os.Args[1]](ctx, os.Args[2:], out), out.Flush())
	if err != nil {
		fmt.Fprintf(os.Stderr, "tempo-blocks: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// parse reads a command's flags and the two arguments that every command has.
func parse(fs *flag.FlagSet, args []string, atLeast int) (*storage, []string, error) {
	if err := fs.Parse(args); err != nil {
		return nil, nil, err
	}
	if fs.NArg() < 2+atLeast {
		return nil, nil, fmt.Errorf("%d arguments are given, %d are needed", fs.NArg(), 2+atLeast)
	}
	s, err := openStorage(fs.Arg(0), fs.Arg(1))
	return s, fs.Args()[2:], err
}

func flags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ContinueOnError) }
