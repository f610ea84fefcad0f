package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/cmd/appliance/serve"
	"appliance/internal/blockstore"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/telemetry"
)

func newArchiveCommand() *cobra.Command {
	f := &archiveFlags{}
	c := &cobra.Command{
		Use:   "archive",
		Short: "List, find, check, restore and prune what is archived, with or without a running appliance",
		Long: `Work on the archived blocks. This needs no running appliance, and one that runs is not disturbed.

The archive is at --store, else archive.store of the configuration, else data_dir/archive. Commands that compare it with what it
is made from look at --source, else archive.source, else the appliance's own blocks where there are any.
Both are file:///path or s3://bucket/prefix?endpoint=host:port; credentials come from the AWS_ variables or files only.

A BLOCK is an id or the beginning of one, where only one block begins so; TENANT/BLOCK where two tenants have it.
A TIME is one such as 2026-11-22T15:00:00Z, or how long ago: 90m, 24h, 7d. Times are printed in UTC.
Exit codes: 0 fine, 1 error, 2 wrong command line or configuration, 3 damage found or partly done.`,
	}
	flags := c.PersistentFlags()
	addConfigFile(flags)
	flags.StringVar(&f.store, "store", "", "where the archive is (key archive.store; also APPLIANCE_ARCHIVE_STORE)")
	flags.String("data-dir", "", "directory that holds everything the appliance keeps (key data_dir; also APPLIANCE_DATA_DIR)")
	c.AddCommand(
		newArchiveListCommand(f),
		newArchiveShowCommand(f),
		newArchiveFindCommand(f),
		newArchiveSearchCommand(f),
		newArchiveRunCommand(f),
		newArchiveVerifyCommand(f),
		newArchiveDiffCommand(f),
		newArchiveRestoreCommand(f),
		newArchiveRepairCommand(f),
		newArchivePruneCommand(f),
		newArchivePinCommand(f),
		newArchiveUnpinCommand(f),
		newArchiveStatsCommand(f),
		newArchiveConfirmStoreCommand(f),
	)
	return c
}

// archiveFlags are those that all of the commands have.
type archiveFlags struct{ store, source string }

// Where a command stands to the source and the store.
type archiveNeeds int

const (
	needsStore  archiveNeeds = iota
	seesSource               // where there is one; if it cannot be opened, the store alone does
	usesSource               // where there is one, and then it must be opened
	needsSource              // or there is nothing to do
	makesStore               // needs the source, and makes a store that is not there yet
)

const noSource = "none" // of --source

// openedArchive is what a command works on.
type openedArchive struct {
	*archive.Archive
	conf     config.Loaded
	output   string // what -o says
	store    store.Store
	source   archive.Source // nil for none, or for one that cannot be opened
	sourceAt string         // where that is
	embedded string         // directory of the source, where that is the appliance's own
	stderr   io.Writer
	logLine  *progressLine // through which log lines go
}

// command makes run the body of c, with the archive open. Outputs are those
// that -o takes, the first by default.
func (f *archiveFlags) command(c *cobra.Command, needs archiveNeeds, outputs []string, run func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error) *cobra.Command {
	if needs > needsStore {
		alone := ""
		if needs <= usesSource {
			alone = `; "none" looks at the archive alone`
		}
		c.Flags().StringVar(&f.source, "source", "", "what is archived: data_dir/blocks, or the storage of a Tempo elsewhere (key archive.source; also APPLIANCE_ARCHIVE_SOURCE)"+alone)
	}
	if c.Flags().Lookup("tenant") != nil {
		_ = c.RegisterFlagCompletionFunc("tenant", f.tenantCompletion) // there is such a flag
	}
	output := addOutputFlag(c, outputs)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		output, err := output()
		if err != nil {
			return err
		}
		a, err := f.open(cmd, needs)
		if err == nil {
			a.output = output
			err = errors.Join(run(ctx, a, cmd.OutOrStdout(), args), a.close())
		}
		var coded *codeError
		if ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.As(err, &coded) {
			return errors.New("interrupted")
		}
		return err
	}
	return c
}

func wrongUsage(cmd *cobra.Command, err error) error {
	return &usageError{err, "Try: " + cmd.CommandPath() + " --help"}
}

// open opens the store and the source that the flags and the configuration name.
func (f *archiveFlags) open(cmd *cobra.Command, needs archiveNeeds) (a *openedArchive, err error) {
	a = &openedArchive{stderr: cmd.ErrOrStderr()}
	if a.conf, err = loadConfig(cmd); err != nil {
		return nil, err
	}
	a.logLine = newProgressLine(a.stderr, "")
	logger, _ := telemetry.NewLogger(a.logLine, "warn", a.conf.Log.Format)
	at := cmp.Or(f.store, a.conf.Archive.Store)
	a.store, err = store.Open(cmd.Context(), serve.ArchiveStore(a.conf.DataDir, at), store.Options{
		BytesPerSecond: int64(a.conf.Archive.BytesPerSecond), Create: needs == makesStore, Logger: logger,
	})
	if errors.Is(err, fs.ErrNotExist) && at == "" {
		return nil, fmt.Errorf("there is no archive in %s yet; serve makes it, and so does: appliance archive run", filepath.Join(a.conf.DataDir, "archive"))
	} else if err != nil {
		return nil, a.noURL(cmd, "store", f.store, err)
	}
	a.Archive = archive.Open(a.store)
	if needs == needsStore {
		return a, nil
	}
	err = a.openSource(cmd, f.source)
	if err != nil && needs == seesSource && f.source == "" && !errors.Is(err, store.ErrURL) && cmd.Context().Err() == nil {
		fmt.Fprintf(a.stderr, "warning: %v; going on with the archive alone, and pending blocks are not shown\n", err)
		err = nil
	}
	if err == nil && a.source == nil && (needs == needsSource || needs == makesStore) {
		err = &usageError{
			fmt.Errorf("there is nothing to archive from: archive.source is not set, and %s does not exist", serve.BlocksDir(a.conf)),
			"Try: " + cmd.CommandPath() + " --source file:///path/to/the/blocks/of/Tempo",
		}
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *openedArchive) openSource(cmd *cobra.Command, given string) (err error) {
	blocks := serve.BlocksDir(a.conf)
	if given == noSource {
		return nil
	}
	flag := given
	if given = cmp.Or(given, a.conf.Archive.Source); given == "" {
		if _, err := os.Stat(blocks); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		given = blocks
	}
	a.sourceAt = given
	logger, _ := telemetry.NewLogger(a.logLine, "warn", a.conf.Log.Format)
	if a.source, err = archive.OpenSource(cmd.Context(), given, logger); err != nil {
		return a.noURL(cmd, "source", flag, err)
	}
	if abs, err := filepath.Abs(blocks); err == nil && a.source.URL() == (&url.URL{Scheme: "file", Path: abs}).String() {
		a.embedded = abs
		a.source = archive.OnlyFinal(a.source, a.final)
	}
	return nil
}

// noURL names the flag, or else the key, that is wrong, where the error is that of the URL itself.
func (a *openedArchive) noURL(cmd *cobra.Command, name, flag string, err error) error {
	switch {
	case !errors.Is(err, store.ErrURL):
		return err
	case flag != "":
		return wrongUsage(cmd, fmt.Errorf("--%s: %w", name, err))
	}
	return a.conf.At("archive."+name, err)
}

// final says that a block of the embedded store can be archived.
func (a *openedArchive) final(tenant, id string) bool {
	return blockstore.Final(durable.OS, filepath.Join(a.embedded, tenant, id), a.conf.Archive.Delay)
}

func (a *openedArchive) close() error {
	err := a.store.Close()
	if a.source != nil {
		err = errors.Join(err, a.source.Close())
	}
	return err
}

// retention is when a block is purged from the source; 0 where we do not know.
func (a *openedArchive) retention() time.Duration {
	if a.embedded == "" {
		return 0
	}
	return a.conf.Retention
}

// periodFlags choose a tenant and a time.
type periodFlags struct{ tenant, since, until string }

func (p *periodFlags) add(c *cobra.Command, since, until string) {
	c.Flags().StringVar(&p.tenant, "tenant", "", "only of this tenant")
	c.Flags().StringVar(&p.since, "since", "", since)
	c.Flags().StringVar(&p.until, "until", "", until)
}

// times are what --since and --until mean now; zero where they are not set.
func (p *periodFlags) times(now time.Time) (since, until time.Time, err error) {
	if since, err = pointInTime("since", p.since, now); err == nil {
		until, err = pointInTime("until", p.until, now)
	}
	if err == nil && !until.IsZero() && until.Before(since) {
		err = &usageError{fmt.Errorf("--until %s is before --since %s", p.until, p.since), timeHint}
	}
	return since, until, err
}

const timeHint = "Write a time like 2026-11-22T15:00:00Z, or how long ago: 90m, 24h, 7d"

// pointInTime reads a time, or how long before now it was.
func pointInTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	ago, err := config.ParseDuration(text)
	if errors.Is(err, config.ErrTooLong) {
		return time.Time{}, &usageError{fmt.Errorf("--%s: %w", flag, err), timeHint}
	}
	if err != nil || ago < 0 {
		return time.Time{}, &usageError{fmt.Errorf("--%s %q is not a time", flag, text), timeHint}
	}
	return now.Add(-ago), nil
}
