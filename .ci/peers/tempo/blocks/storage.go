package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/backend/local"
	"github.com/grafana/tempo/tempodb/encoding"
	"github.com/grafana/tempo/tempodb/encoding/common"
)

// storage is one tenant of Tempo's local backend.
type storage struct {
	tenant string
	reader backend.Reader
	writer backend.Writer
}

func openStorage(dir, tenant string) (*storage, error) {
	raw, err := local.NewBackend(&local.Config{Path: dir})
	if err != nil {
		return nil, fmt.Errorf("open the storage %s: %w", dir, err)
	}
	return &storage{tenant, backend.NewReader(raw), backend.NewWriter(raw)}, nil
}

func (s *storage) meta(ctx context.Context, block string) (*backend.BlockMeta, error) {
	id, err := uuid.Parse(block)
	if err != nil {
		return nil, fmt.Errorf("parse the block id %q: %w", block, err)
	}
	meta, err := s.reader.BlockMeta(ctx, id, s.tenant)
	if err != nil {
		return nil, fmt.Errorf("read %s of block %s: %w", backend.MetaName, block, err)
	}
	return meta, nil
}

func (s *storage) metas(
	ctx context.Context, blocks []string,
) (metas []*backend.BlockMeta, err error) {
	for _, b := range blocks {
		meta, err := s.meta(ctx, b)
		if err != nil {
			return nil, err
		}
		metas = append(metas, meta)
	}
	return metas, nil
}

func (s *storage) open(ctx context.Context, block string) (common.BackendBlock, error) {
	meta, err := s.meta(ctx, block)
	if err != nil {
		return nil, err
	}
	return encoding.OpenBlock(meta, s.reader)
}

func (s *storage) openAll(
	ctx context.Context, blocks []string,
) (opened []common.BackendBlock, err error) {
	for _, b := range blocks {
		block, err := s.open(ctx, b)
		if err != nil {
			return nil, err
		}
		opened = append(opened, block)
	}
	return opened, nil
}

// searchOptions are those of a stock querier, with smaller read buffers.
func searchOptions() common.SearchOptions {
	opts := common.DefaultSearchOptions()
	opts.ReadBufferCount, opts.ReadBufferSize = 8, 256<<10
	return opts
}

func runValidate(ctx context.Context, args []string, _ io.Writer) error {
	s, args, err := parse(flags("validate"), args, 1)
	if err != nil {
		return err
	}
	block, err := s.open(ctx, args[0])
	if err != nil {
		return err
	}
	return block.Validate(ctx)
}
