package blockdir

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"syscall"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// remove removes a block as the purge does: each step is durable before the next.
func remove(t testing.TB, fsys *crashfs.FS, tenant, id string) {
	t.Helper()
	dir := path.Join(root, "blocks", tenant, id)
	for _, name := range names {
		must(t, fsys.Remove(path.Join(dir, name)))
	}
	must(t, fsys.SyncDir(dir))
	must(t, fsys.Remove(dir))
	must(t, fsys.SyncDir(path.Dir(dir)))
}

// marksOf lists the marks of a tenant.
func marksOf(fsys durable.FS, tenant string) []string {
	entries, _ := fsys.ReadDir(path.Join(root, "sealed", tenant))
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids
}

// Marks do not gather while we run: Next removes those of blocks that are gone, and only those.
func TestMarksGoWithTheirBlocks(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	d := ready(t, fsys)
	must(t, write(fsys, "a", first, content))
	must(t, write(fsys, "a", second, content))
	ids(t, d)
	remove(t, fsys, "a", first)
	if got := ids(t, d); len(got) != 0 {
		t.Errorf("returned %v", got)
	}
	if got := marksOf(fsys, "a"); !slices.Equal(got, []string{second}) || d.Sealed("a", first) {
		t.Errorf("marks of %v, with only %s there", got, second)
	}
	// One of that name that comes later is a new block.
	must(t, write(fsys, "a", first, content))
	if d.Sealed("a", first) {
		t.Error("a block is sealed that nobody has synced")
	}
	if got := ids(t, d); !slices.Equal(got, []string{"a/" + first}) || !d.Sealed("a", first) {
		t.Errorf("returned %v", got)
	}
}

// forgetful is a filesystem whose listings of a directory leave out one name, as some do while others change it.
type forgetful struct {
	*crashfs.FS
	dir, name string
}

func (f forgetful) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := f.FS.ReadDir(name)
	if name == f.dir {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == f.name })
	}
	return entries, err
}

// The mark stays for as long as anything of its block is there, whatever a listing says.
func TestMarksStayWithTheirBlocks(t *testing.T) {
	content := files(t)
	for name, change := range map[string]func(fsys *crashfs.FS, dir string) durable.FS{
		"marked for deletion": func(fsys *crashfs.FS, dir string) durable.FS {
			must(t, fsys.Rename(path.Join(dir, "meta.json"), path.Join(dir, "meta.compacted.json")))
			return fsys
		},
		"half deleted": func(fsys *crashfs.FS, dir string) durable.FS {
			for _, name := range names {
				must(t, fsys.Remove(path.Join(dir, name)))
			}
			return fsys
		},
		"left out of a listing": func(fsys *crashfs.FS, dir string) durable.FS {
			return forgetful{fsys, path.Dir(dir), path.Base(dir)}
		},
		"in a tenant that is left out": func(fsys *crashfs.FS, dir string) durable.FS {
			return forgetful{fsys, path.Dir(path.Dir(dir)), path.Base(path.Dir(dir))}
		},
	} {
		fsys := crashfs.New()
		d := ready(t, fsys)
		must(t, write(fsys, "a", first, content))
		ids(t, d)
		d.fs = change(fsys, path.Join(root, "blocks/a", first))
		for range 2 {
			if got := ids(t, d); len(got) != 0 || !d.Sealed("a", first) {
				t.Errorf("%s: returned %v, sealed %t", name, got, d.Sealed("a", first))
			}
		}
		d.fs = fsys
		if got := ids(t, d); len(got) != 0 || !d.Sealed("a", first) {
			t.Errorf("%s: afterwards: returned %v, sealed %t", name, got, d.Sealed("a", first))
		}
	}
}

// A mark that cannot be removed holds back nothing; the next start removes it.
func TestMarkThatCannotBeRemoved(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	d := ready(t, fsys)
	must(t, write(fsys, "a", first, content))
	ids(t, d)
	remove(t, fsys, "a", first)
	must(t, write(fsys, "a", second, content))
	refused := 0
	fsys.Fail(func(op crashfs.Op) error {
		if op.Kind == crashfs.Remove {
			refused++
			return syscall.EIO
		}
		return nil
	})
	if got := ids(t, d); !slices.Equal(got, []string{"a/" + second}) || refused != 1 {
		t.Errorf("returned %v, %d refused", got, refused)
	}
	fsys.Fail(nil)
	recovered(t, newDir(fsys))
	if got := marksOf(fsys, "a"); !slices.Equal(got, []string{second}) {
		t.Errorf("marks of %v", got)
	}
}

// Power is lost at each step of a Next that removes a mark. The mark is there or not; the other block has lost nothing, and
// a later block of the name that is gone is not taken for durable.
func TestPowerCutWhileAMarkIsRemoved(t *testing.T) {
	content := files(t)
	for step, over := 1, false; !over; step++ {
		for _, mode := range []crashfs.Mode{crashfs.LoseAll, crashfs.KeepAll, crashfs.Scramble, crashfs.Garbage} {
			rng := rand.New(rand.NewPCG(uint64(step), uint64(mode)))
			fsys := crashfs.New()
			d := ready(t, fsys)
			must(t, write(fsys, "a", first, content))
			must(t, write(fsys, "b", second, content))
			ids(t, d)
			remove(t, fsys, "a", first)
			last := fsys.Steps() + step
			fsys.CrashAt(last)
			_, _ = d.Next(t.Context()) // the crash, or not
			over = fsys.Steps() < last
			at := fmt.Sprintf("step %d, mode %d", step, mode)
			after := fsys.PowerCut(mode, rng)
			d = newDir(after)
			if r := recovered(t, d); r != (Recovered{Blocks: 1}) {
				t.Errorf("%s: %+v", at, r)
			}
			if got := ids(t, d); !slices.Equal(got, []string{"b/" + second}) || !d.Sealed("b", second) || len(marksOf(after, "a")) != 0 {
				t.Errorf("%s: returned %v, marks of a: %v", at, got, marksOf(after, "a"))
			}
			bad := maps.Clone(content)
			bad["data.parquet"] = bad["data.parquet"][:1000]
			must(t, write(after, "a", first, bad))
			if r := recovered(t, newDir(after)); r != (Recovered{Blocks: 1, Damaged: 1}) {
				t.Errorf("%s: a later block of that name: %+v", at, r)
			}
		}
	}
}

// However many marks a start removes, it syncs each directory once.
func TestRecoverSyncsOnce(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	d := ready(t, fsys)
	for n := range 10 {
		for _, tenant := range []string{"a", "b"} {
			must(t, write(fsys, tenant, fmt.Sprintf("%s%02d", first[:len(first)-2], n), content))
		}
	}
	ids(t, d)
	for n := range 10 {
		for _, tenant := range []string{"a", "b"} {
			remove(t, fsys, tenant, fmt.Sprintf("%s%02d", first[:len(first)-2], n))
		}
	}
	syncs := map[string]int{}
	fsys.Fail(func(op crashfs.Op) error {
		if op.Kind == crashfs.SyncDir {
			syncs[op.Path]++
		}
		return nil
	})
	recovered(t, newDir(fsys))
	fsys.Fail(nil)
	for _, tenant := range []string{"a", "b"} {
		if dir := path.Join(root, "sealed", tenant); syncs[dir] != 1 || len(marksOf(fsys, tenant)) != 0 {
			t.Errorf("%s was synced %d times, marks of %v", dir, syncs[dir], marksOf(fsys, tenant))
		}
	}
	after := fsys.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(0, 0)))
	if got := append(marksOf(after, "a"), marksOf(after, "b")...); len(got) != 0 {
		t.Errorf("marks of %v after a power cut", got)
	}
}
