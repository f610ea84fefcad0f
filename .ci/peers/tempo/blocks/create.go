package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/encoding"
	"github.com/grafana/tempo/tempodb/encoding/common"
)

// creation is how a block is made; the defaults are Tempo's.
type creation struct {
	version   string
	rowGroup  int // bytes, as Tempo estimates them
	factor    uint
	combine   bool
	dedicated string
	id        string
}

func (c *creation) register(fs *flag.FlagSet) {
	fs.StringVar(
		&c.version, "format", encoding.DefaultEncoding().Version(), "encoding of the block",
	)
	fs.IntVar(&c.rowGroup, "row-group", 100_000_000, "size of a row group in bytes, as Tempo estimates them")
	fs.UintVar(&c.factor, "replication-factor", 0, "replication factor in meta.json; metrics read only blocks with 1")
	fs.BoolVar(&c.combine, "combine", false, "make one span of those with one id and kind in different requests")
	fs.StringVar(&c.dedicated, "dedicated", "", "dedicated columns, such as span/db.statement,resource/region")
	fs.StringVar(&c.id, "id", "", "id of the block; empty: a random one")
}

func (c *creation) blockConfig() (*common.BlockConfig, error) {
	columns, err := dedicatedColumns(c.dedicated)
	return &common.BlockConfig{
		BloomFP: common.DefaultBloomFP, BloomShardSizeBytes: common.DefaultBloomShardSizeBytes, Version: c.version,
		Encoding: backend.EncNone, RowGroupSizeBytes: c.rowGroup, DedicatedColumns: columns,
	}, err
}

func dedicatedColumns(text string) (columns backend.DedicatedColumns, err error) {
	if text == "" {
		return nil, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		scope, name, found := strings.Cut(one, "/")
		if !found {
			return nil, fmt.Errorf("%q is not a dedicated column; write SCOPE/NAME", one)
		}
		columns = append(columns, backend.DedicatedColumn{
			Scope: backend.DedicatedColumnScope(scope), Name: name, Type: backend.DedicatedColumnTypeString,
		})
	}
	return columns, nil
}

// create writes the block and returns its metadata.
func (c *creation) create(
	ctx context.Context, s *storage, g *gathered,
) (*backend.BlockMeta, error) {
	enc, err := encoding.FromVersion(c.version)
	if err != nil {
		return nil, err
	}
	config, err := c.blockConfig()
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(cmp.Or(c.id, uuid.NewString()))
	if err != nil {
		return nil, err
	}
	meta := backend.NewBlockMetaWithDedicatedColumns(
		s.tenant, id, c.version, backend.EncNone, "", config.DedicatedColumns,
	)
	meta.StartTime, meta.EndTime = time.Unix(0, int64(g.first)).UTC(), time.Unix(0, int64(g.last)).UTC()
	meta.TotalObjects, meta.ReplicationFactor = int64(len(g.traces)), uint32(c.factor)
	written, err := enc.CreateBlock(ctx, config, meta, g.iterate(), s.reader, s.writer)
	if err != nil {
		return nil, fmt.Errorf("create the block %s: %w", id, err)
	}
	return written, nil
}

func runCreate(ctx context.Context, args []string, out io.Writer) error {
	var c creation
	fs := flags("create")
	c.register(fs)
	s, files, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	g, err := gather(files, c.combine)
	if err != nil {
		return err
	}
	defer g.Close()
	meta, err := c.create(ctx, s, g)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, meta.BlockID)
	return err
}
