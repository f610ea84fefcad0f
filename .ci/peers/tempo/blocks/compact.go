package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/go-kit/log"
	"github.com/grafana/tempo/pkg/model"
	"github.com/grafana/tempo/tempodb/encoding"
	"github.com/grafana/tempo/tempodb/encoding/common"
)

// runCompact merges blocks with the compactor of their encoding. The sources
// stay as they are.
func runCompact(ctx context.Context, args []string, out io.Writer) error {
	var c creation
	fs := flags("compact")
	c.register(fs)
	blocks := fs.Uint("blocks", 1, "number of blocks to write")
	maxTrace := fs.Int(
		"max-trace", 0, "bytes of a trace beyond which its spans are dropped; 0: no bound",
	)
	s, args, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	inputs, err := s.metas(ctx, args)
	if err != nil {
		return err
	}
	enc, err := encoding.FromVersion(inputs[0].Version)
	if err != nil {
		return err
	}
	config, err := c.blockConfig()
	if err != nil {
		return err
	}
	config.DedicatedColumns = inputs[0].DedicatedColumns
	dropped := 0
	compactor := enc.NewCompactor(common.CompactionOptions{
		ChunkSizeBytes: 1 << 20, FlushSizeBytes: 20 << 20, IteratorBufferSize: 1000, MaxBytesPerTrace: *maxTrace,
		OutputBlocks: uint8(*blocks), BlockConfig: *config, Combiner: model.StaticCombiner,
		ObjectsCombined:   func(int, int) {},
		ObjectsWritten:    func(int, int) {},
		BytesWritten:      func(int, int) {},
		SpansDiscarded:    func(_, _, _ string, spans int) { dropped += spans },
		DisconnectedTrace: func() {},
		RootlessTrace:     func() {},
		DedupedSpans:      func(int, int) {},
	})
	made, err := compactor.Compact(
		ctx, log.NewNopLogger(), s.reader, s.writer, slices.Clone(inputs),
	)
	if err != nil {
		return fmt.Errorf("compact %d blocks: %w", len(inputs), err)
	}
	if dropped > 0 {
		return fmt.Errorf("the compactor dropped %d spans; raise -max-trace", dropped)
	}
	for _, meta := range made {
		fmt.Fprintln(out, meta.BlockID)
	}
	return nil
}
