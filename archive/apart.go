package archive

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"appliance/archive/store"
)

// ErrSame says that an archive and its source are one place, or one of them is
// inside the other: each block would be proven against itself.
var ErrSame = errors.New("the archive and its source are not apart; " +
	"set archive.store to a directory or a bucket of its own")

const (
	probeAttempts = 10                   // while others probe at the same moment
	probePause    = 2 * time.Millisecond // at most, after the first; doubled each time
	maxProbeBytes = 1 << 10              // more than a probe takes
)

// probeName is the object that one archiver's probes are written to. It is left
// in the store: its bytes are never the same twice.
func probeName(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return fmt.Sprintf(ownPrefix+"probe-%x", sum[:8])
}

// checkApart returns nil when the store and the source are two places. URLs do
// not tell: a link, a second mount, another name of an endpoint all lead to one
// place. So paths are resolved and inodes are compared, and what is written to
// the store must not show up in the source. The error is ErrSame, or that of
// the store or the source.
func checkApart(ctx context.Context, s store.Store, src Source, origin string) error {
	at, from := dirOf(s.URL()), dirOf(src.URL())
	if at != "" && from != "" {
		if err := checkDirsApart(at, from); err != nil {
			return err
		}
	}
	name := probeName(origin)
	if err := probe(ctx, s, name, src, name); err != nil {
		return err
	}
	// A prefix within the other's, in a bucket of that name: whether it is one
	// bucket is seen in the same way.
	if rel, ok := prefixWithin(s.URL(), src.URL()); ok {
		return probe(ctx, s, name, src, rel+"/"+name)
	}
	if rel, ok := prefixWithin(src.URL(), s.URL()); ok {
		inner := rel + "/" + name
		return errors.Join(probe(ctx, s, inner, src, name), s.Delete(ctx, inner))
	}
	return nil
}

// probe writes a nonce to the store and returns ErrSame when it can be read
// from the source.
func probe(ctx context.Context, s store.Store, name string, src Source, seen string) error {
	for attempt := range probeAttempts {
		nonce := []byte(crand.Text())
		if err := s.Replace(ctx, name, nonce); err != nil {
			return fmt.Errorf("write a probe to the archive: %w", err)
		}
		there, err := store.ReadFile(ctx, src, seen, maxProbeBytes)
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return fmt.Errorf("look for the archive's probe in its source: %w", err)
		}
		ours, err := store.ReadFile(ctx, s, name, maxProbeBytes)
		if err != nil {
			return fmt.Errorf("read the probe from the archive: %w", err)
		}
		if bytes.Equal(there, nonce) || len(there) > 0 && bytes.Equal(there, ours) {
			err := fmt.Errorf("%w: what is written to %s is seen in %s", ErrSame, s.URL(), src.URL())
			return errors.Join(err, s.Delete(ctx, name))
		}
		if bytes.Equal(ours, nonce) {
			return nil
		}
		select { // at a time that others will hardly choose
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(probePause << attempt)):
		}
	}
	return fmt.Errorf("probe the archive at %s: others write its probe at the same moment, each of %d times",
		s.URL(), probeAttempts)
}

// checkDirsApart is ErrSame for directories that are one, or one of which is
// inside the other.
func checkDirsApart(at, from string) error {
	storeDir, sourceDir := realPath(at), realPath(from)
	switch {
	case oneFile(at, from):
		return fmt.Errorf("%w: %s and %s are one directory", ErrSame, at, from)
	case within(storeDir, sourceDir):
		return fmt.Errorf("%w: %s is inside %s, whose Tempo takes it for a tenant", ErrSame, at, from)
	case within(sourceDir, storeDir):
		return fmt.Errorf("%w: %s is inside %s", ErrSame, from, at)
	}
	return nil
}

// oneFile says whether two paths lead to one file or directory.
func oneFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// dirOf is the directory at a URL; "" for a bucket.
func dirOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	return u.Path
}

// prefixWithin is where in a bucket, from the prefix of outer on, that of inner
// is.
func prefixWithin(inner, outer string) (rel string, ok bool) {
	in, errIn := url.Parse(inner)
	out, errOut := url.Parse(outer)
	if errIn != nil || errOut != nil || in.Scheme != "s3" || out.Scheme != "s3" {
		return "", false
	}
	if in.Host != out.Host {
		return "", false
	}
	around := strings.TrimLeft(strings.Trim(out.Path, "/")+"/", "/")
	rel, ok = strings.CutPrefix(strings.Trim(in.Path, "/")+"/", around)
	rel = strings.Trim(rel, "/")
	return rel, ok && rel != ""
}

// checkFilesApart is ErrSame when a file of an archived copy is the very file
// of the source, such as by a mount of one tenant's directory alone.
func (a *Archiver) checkFilesApart(b *sourceBlock, m *Manifest) error {
	at, from := dirOf(a.opt.Store.URL()), dirOf(a.opt.Source.URL())
	if at == "" || from == "" {
		return nil
	}
	for _, f := range m.Files {
		ours := filepath.Join(at, m.Tenant, m.Block, f.Name)
		if theirs := filepath.Join(from, b.tenant, b.id, f.Name); oneFile(ours, theirs) {
			return fmt.Errorf("%w: %s and %s are one file", ErrSame, ours, theirs)
		}
	}
	return nil
}
