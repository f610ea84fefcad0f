package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/nomad/api"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/cmd/appliance/serve"
	"appliance/internal/config"
	"appliance/internal/disk"
	"appliance/nomad"
)

const (
	syncs     = 20
	syncBytes = 4 << 10
	// slowSync and badSync are medians: a group of requests waits for one.
	slowSync, badSync = 30 * time.Millisecond, 300 * time.Millisecond
	// storePatience is how long the archive's store has to answer.
	storePatience = 20 * time.Second
	// tempoLooks is how often the archiver looks at the storage of a Tempo
	// elsewhere, for its settings to be judged by.
	tempoLooks = time.Minute
)

func (d *doctor) checkClock(context.Context) {
	const check = "clock"
	year := time.Now().Year()
	kept, known := clockIsKept()
	switch {
	case year < 2024 || year > 2100:
		d.say(check, wrong, "Set it. Retention, sampling windows and searches depend on it.", "it says %s", time.Now().UTC().Format(time.RFC3339))
	case !known:
		d.say(check, skipped, "", "this system does not say whether its clock is kept right; it says %s", time.Now().UTC().Format(time.RFC3339))
	case !kept:
		d.say(check, warning, "Run chrony or systemd-timesyncd. In a container, see that the host does.", "the kernel does not know this clock to be kept right; it says %s", time.Now().UTC().Format(time.RFC3339))
	default:
		d.say(check, fine, "", "it is kept right, and says %s", time.Now().UTC().Format(time.RFC3339))
	}
}

func (d *doctor) checkSync(context.Context) {
	const check = "fsync"
	if !d.canSee() {
		d.say(check, skipped, "", "data_dir is not here")
		return
	}
	times, err := syncTimes(d.conf.DataDir)
	if err != nil {
		d.say(check, wrong, "The appliance needs to write there, as its own user.", "%v", err)
		return
	}
	slices.Sort(times)
	median, worst := times[len(times)/2], times[len(times)-1]
	say := func(v verdict, do string) {
		d.say(check, v, do, "%s of %d bytes to %s take %s each, the slowest %s", several(syncs, "synced write"), syncBytes, d.conf.DataDir,
			median.Round(10*time.Microsecond), worst.Round(10*time.Microsecond))
	}
	switch {
	case median > badSync:
		say(wrong, "A request is answered after such a write. Use a local disk that is not shared.")
	case median > slowSync:
		say(warning, "A request is answered after such a write, so that each takes that long. A faster disk helps.")
	default:
		say(fine, "")
	}
}

// syncTimes writes a file in a directory and syncs it, some times.
func syncTimes(dir string) (times []time.Duration, err error) {
	f, err := os.CreateTemp(dir, "doctor-*.tmp")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, syncBytes)
	for range syncs {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

func (d *doctor) checkSpace(context.Context) {
	const check = "space"
	if !d.canSee() {
		d.say(check, skipped, "", "data_dir is not here; the account says whether disks are short")
		return
	}
	room, err := disk.Of(d.conf.DataDir)
	if err != nil {
		d.say(check, wrong, "", "%v", err)
		return
	}
	held := int64(0)
	if d.status != nil {
		held = d.status.Spool.Bytes
	}
	left := room.Free + held - int64(d.conf.Spool.MaxBytes)
	say := func(v verdict, do string) {
		d.say(check, v, do, "%s of %s are free at %s, of which a full spool takes %s", humanize.IBytes(uint64(room.Free)), humanize.IBytes(uint64(room.Bytes)), d.conf.DataDir, d.conf.Spool.MaxBytes)
	}
	switch {
	case left < 0:
		say(wrong, "Lower spool.max_bytes, or free some. When the disk is full, clients are answered 503.")
	case left < serve.LeastLeft:
		say(warning, "Little is left for blocks and the archive beside a full spool. Lower spool.max_bytes, or free some.")
	default:
		say(fine, "")
	}
}

// checkArchive writes, reads and deletes an object of its own.
func (d *doctor) checkArchive(ctx context.Context) {
	const check = "archive"
	at := serve.ArchiveURL(d.conf)
	switch {
	case !d.local:
		d.say(check, skipped, "", "where it is is not known here; the account says whether it takes blocks")
		return
	case at == "":
		d.say(check, skipped, "", "there is none")
		return
	case serve.FileDir(at) != "" && !d.canSee():
		d.say(check, skipped, "", "data_dir is not here")
		return
	}
	err := tryStore(ctx, at)
	if errors.Is(err, store.ErrNotExist) {
		d.say(check, skipped, "", "%s is not there yet; serve makes it", config.Redact(at))
		return
	}
	if err != nil {
		d.say(check, wrong, "Nothing is archived and nothing purged while that is so. Check the address, the credentials and the room.", "%v", err)
		return
	}
	d.say(check, fine, "", "%s may be written, read and deleted from", config.Redact(at))
}

func tryStore(ctx context.Context, at string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	s, err := store.Open(ctx, at, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	name, text := "@doctor-"+strings.ToLower(rand.Text()), "a probe of appliance doctor; it may be deleted\n"
	if _, err := s.Put(ctx, name, strings.NewReader(text), int64(len(text))); err != nil {
		return fmt.Errorf("write a probe: %w", err)
	}
	defer func() {
		if gone := s.Delete(ctx, name); gone != nil {
			err = errors.Join(err, fmt.Errorf("delete a probe: %w", gone))
		}
	}()
	back, err := store.ReadFile(ctx, s, name, int64(len(text)))
	if err != nil {
		return fmt.Errorf("read a probe: %w", err)
	}
	if string(back) != text {
		return errors.New("read a probe: it holds other bytes than were written")
	}
	return nil
}

// checkTempo asks a Tempo elsewhere for its settings.
func (d *doctor) checkTempo(ctx context.Context) {
	const check = "tempo"
	at := d.conf.Tempo.QueryURL
	u, err := url.Parse(at)
	switch {
	case !d.local || serve.IsEmbedded(d.conf):
		d.say(check, skipped, "", "there is none, or it is not known here")
		return
	case at == "":
		d.say(check, warning, "Set tempo.query_url: when that Tempo ends is seen in its metrics, and spans that it held are sent again.", "its settings are not known")
		return
	case err == nil && u.Scheme == "nomad":
		d.say(check, skipped, "", "it is found through Nomad; the account says whether it takes spans")
		return
	}
	warnings, _, err := archive.CheckTempo(ctx, at, tempoLooks)
	if err != nil {
		d.say(check, wrong, "Check tempo.query_url, and that Tempo runs.", "%v", err)
		return
	}
	for _, w := range warnings {
		d.say(check, warning, "Write "+w.Change+" in its configuration.", "%s is %s: %s", w.Setting, w.Value, w.Problem)
	}
	if len(warnings) == 0 {
		d.say(check, fine, "", "%s answers, and its retention leaves the archive time", config.Redact(at))
	}
}

// checkNomad asks Nomad for the services that the configuration names.
func (d *doctor) checkNomad(ctx context.Context) {
	const check = "nomad"
	client, err := serve.NomadClient(d.conf)
	switch {
	case !d.local || err == nil && client == nil:
		d.say(check, skipped, "", "the configuration names nothing of it")
		return
	case err != nil:
		d.say(check, wrong, "Set nomad.address or NOMAD_ADDR, or run this in the task.", "%v", err)
		return
	}
	services := serve.NomadServices(d.conf)
	for _, key := range slices.Sorted(maps.Keys(services)) {
		service := services[key]
		found, _, err := client.Services().Get(service, (&api.QueryOptions{AllowStale: true}).WithContext(ctx))
		switch {
		case err != nil:
			d.say(check, wrong, "Check nomad.address, its token and its policy: appliance nomad policy.", "%s: %v", key, nomad.Readable(err))
		case len(found) == 0:
			d.say(check, wrong, "Is its job running, and in this namespace?", "%s: Nomad knows no service %q", key, service)
		default:
			d.say(check, fine, "", "%s: Nomad knows %s of %s", key, several(len(found), "instance"), service)
		}
	}
	if len(services) == 0 {
		if _, err := client.Status().Leader(); err != nil {
			d.say(check, wrong, "Check nomad.address, its token and its policy: appliance nomad policy.", "%v", nomad.Readable(err))
			return
		}
		d.say(check, fine, "", "it answers")
	}
}
