package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/pkg/traceql"
	"github.com/grafana/tempo/tempodb/encoding/common"
)

// runTags writes a line for each attribute of the blocks, with all its values.
func runTags(ctx context.Context, args []string, out io.Writer) error {
	s, args, err := parse(flags("tags"), args, 1)
	if err != nil {
		return err
	}
	blocks, err := s.openAll(ctx, args)
	if err != nil {
		return err
	}
	names, err := tagNames(ctx, blocks)
	if err != nil {
		return err
	}
	for _, name := range names {
		values, err := tagValues(ctx, blocks, name)
		if err != nil {
			return fmt.Errorf("read the values of %s: %w", name, err)
		}
		if _, err := fmt.Fprintln(out, text(
			object{"scope": name.Scope.String(), "name": readable(name.Name), "values": values},
		)); err != nil {
			return err
		}
	}
	return nil
}

func tagNames(ctx context.Context, blocks []common.BackendBlock) ([]traceql.Attribute, error) {
	seen := map[traceql.Attribute]bool{}
	for _, scope := range traceql.AllAttributeScopes() {
		for _, b := range blocks {
			err := b.SearchTags(ctx, scope, func(name string, of traceql.AttributeScope) {
				seen[traceql.NewScopedAttribute(of, false, name)] = true
			}, func(uint64) {}, searchOptions())
			if err != nil {
				return nil, fmt.Errorf("read the names of scope %s: %w", scope, err)
			}
		}
	}
	for _, intrinsic := range []traceql.Intrinsic{
		traceql.IntrinsicName, traceql.IntrinsicKind, traceql.IntrinsicStatus, traceql.IntrinsicStatusMessage,
		traceql.IntrinsicTraceRootService, traceql.IntrinsicTraceRootSpan, traceql.IntrinsicEventName,
		traceql.IntrinsicInstrumentationName, traceql.IntrinsicInstrumentationVersion,
	} {
		seen[traceql.NewIntrinsic(intrinsic)] = true
	}
	var names []traceql.Attribute
	for name := range seen {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b traceql.Attribute) int {
		return slices.Compare(
			[]string{a.Scope.String(), a.Name}, []string{b.Scope.String(), b.Name},
		)
	})
	return names, nil
}

// tagValues are the distinct values of an attribute, as "type value", sorted.
func tagValues(
	ctx context.Context, blocks []common.BackendBlock, name traceql.Attribute,
) ([]string, error) {
	values := []string{}
	collect := traceql.MakeCollectTagValueFunc(func(v tempopb.TagValue) bool {
		values = append(values, readable(v.Type+" "+v.Value))
		return false
	})
	for _, b := range blocks {
		if err := b.SearchTagValuesV2(
			ctx, name, collect, func(uint64) {}, searchOptions(),
		); err != nil {
			return nil, err
		}
	}
	return unique(values), nil
}
