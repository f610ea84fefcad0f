package blockdir

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// After a failed sync the next one succeeds, whatever became of the data. So a
// block of which one failed is set aside, by Next and by Recover, and never
// proves anything.
func TestFailedSyncIsNeverBelieved(t *testing.T) {
	content := files(t)
	block := path.Join(root, "blocks/a", first)
	for _, at := range []string{
		block + "/data.parquet", block + "/bloom-0", block + "/index", block + "/meta.json", block, path.Dir(block), root + "/blocks", root,
	} {
		kind := crashfs.SyncDir
		if path.Dir(at) == block {
			kind = crashfs.Sync
		}
		for _, find := range []string{"Next", "Recover"} {
			fsys := crashfs.New()
			d := ready(t, fsys)
			must(t, write(fsys, "a", first, content))
			begun, failed := false, false
			fsys.Fail(func(op crashfs.Op) error {
				begun = begun || strings.HasPrefix(op.Path, block)
				if begun && !failed && op.Kind == kind && op.Path == at {
					failed = true
					return syscall.EIO
				}
				return nil
			})
			if find == "Next" {
				blocks, err := d.Next(t.Context())
				if !errors.Is(err, syscall.EIO) || len(blocks) != 0 {
					t.Errorf("%s of %s fails: returned %v, %v", kind, at, list(blocks), err)
				}
			} else if r := recovered(t, newDir(fsys)); r != (Recovered{Damaged: 1}) {
				t.Errorf("%s of %s fails: %+v", kind, at, r)
			}
			if got := ids(t, d); !failed || len(got) != 0 || d.Sealed("a", first) {
				t.Errorf("%s: %s of %s failed: returned %v, sealed %t", find, kind, at, got, d.Sealed("a", first))
			}
			if err := same(fsys, path.Join(root, "damaged", "a-"+first), content); err != nil {
				t.Errorf("%s: %s of %s failed: it was not set aside: %v", find, kind, at, err)
			}
			after := fsys.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(0, 0)))
			d = newDir(after)
			recovered(t, d)
			if got := ids(t, d); len(got) != 0 {
				t.Errorf("%s: %s of %s failed: returned %v after a power cut", find, kind, at, got)
			}
		}
	}
}

// unreadable is a filesystem that does not give the files under some directory.
type unreadable struct {
	*crashfs.FS
	dir string
}

func (u unreadable) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.HasPrefix(name, u.dir) {
		return f, err
	}
	return unreadableFile{f}, nil
}

type unreadableFile struct{ durable.File }

func (unreadableFile) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }

// A start does without a block whose meta.json cannot be read. One that was
// sealed stays: the error may pass. One that was not is set aside: nobody
// knows whether it is whole.
func TestRecoverBesideAnUnreadableBlock(t *testing.T) {
	content := files(t)
	for name, want := range map[string]Recovered{"sealed": {Blocks: 1}, "not sealed": {Blocks: 1, Damaged: 1}} {
		fsys := crashfs.New()
		d := ready(t, fsys)
		must(t, write(fsys, "a", second, content))
		if name == "sealed" {
			must(t, write(fsys, "a", first, content))
			ids(t, d)
		} else {
			ids(t, d)
			must(t, write(fsys, "a", first, content))
		}
		d = newDir(unreadable{fsys, path.Join(root, "blocks/a", first)})
		if r := recovered(t, d); r != want {
			t.Errorf("%s: %+v", name, r)
		}
		if got := ids(t, d); !slices.Equal(got, []string{"a/" + second}) {
			t.Errorf("%s: returned %v", name, got)
		}
		if got := exists(fsys, path.Join(root, "blocks/a", first)); got != (name == "sealed") {
			t.Errorf("%s: it is in its place: %t", name, got)
		}
		d = newDir(fsys) // the error has passed
		r, err := d.Recover(time.Time{})
		if want := map[string]int{"sealed": 2, "not sealed": 1}[name]; err != nil || r != (Recovered{Blocks: want}) {
			t.Errorf("%s: later: %+v, %v", name, r, err)
		}
	}
}

// A start needs no room: what cannot be marked as sealed now is when there is some.
func TestRecoverOnAFullDisk(t *testing.T) {
	content := files(t)
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		fsys := crashfs.New()
		ready(t, fsys)
		must(t, write(fsys, "a", first, content))
		fsys.Fail(func(op crashfs.Op) error {
			if slices.Contains([]crashfs.Kind{crashfs.Create, crashfs.Mkdir, crashfs.Write}, op.Kind) {
				return cause
			}
			return nil
		})
		d := newDir(fsys)
		if r := recovered(t, d); r.Damaged != 0 || r.Unfinished != 0 {
			t.Errorf("%v: %+v", cause, r)
		}
		if blocks, err := d.Next(t.Context()); !errors.Is(err, cause) || len(blocks) != 0 {
			t.Errorf("%v: returned %v, %v", cause, list(blocks), err)
		}
		fsys.Fail(nil)
		if got := ids(t, d); !slices.Equal(got, []string{"a/" + first}) || !d.Sealed("a", first) {
			t.Errorf("%v: with room again: returned %v, sealed %t", cause, got, d.Sealed("a", first))
		}
		if err := same(fsys, path.Join(root, "blocks/a", first), content); err != nil {
			t.Error(err)
		}
	}
}
