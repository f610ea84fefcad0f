package blockdir

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// damages are what a power cut can leave of a block that was not synced. nil removes a file.
func damages(content map[string][]byte) map[string]map[string][]byte {
	list := map[string]map[string][]byte{
		"meta.json cut":       {"meta.json": content["meta.json"][:200]},
		"meta.json empty":     {"meta.json": {}},
		"meta.json of zeros":  {"meta.json": make([]byte, len(content["meta.json"]))},
		"no data":             {"data.parquet": nil},
		"no bloom filter":     {"bloom-0": nil},
		"index cut":           {"index": content["index"][:20]},
		"index empty":         {"index": {}},
		"index of zeros":      {"index": make([]byte, len(content["index"]))},
		"all but meta.json":   {"data.parquet": {}, "bloom-0": {}, "index": {}},
		"data and bloom cut":  {"data.parquet": content["data.parquet"][:4096], "bloom-0": content["bloom-0"][:4096]},
		"a page more of data": {"data.parquet": append(slices.Clone(content["data.parquet"]), make([]byte, 4096)...)},
	}
	for _, name := range []string{"data.parquet", "bloom-0"} {
		data := content[name]
		for at := 0; at < len(data); at += 9000 {
			list[fmt.Sprintf("%s cut at %d", name, at)] = map[string][]byte{name: data[:at]}
		}
		for size, step := range map[int]int{512: 7 * 512, 4096: 4096} {
			for at := 0; at < len(data); at += step {
				zeroed := slices.Clone(data)
				clear(zeroed[at:min(at+size, len(data))])
				if !bytes.Equal(zeroed, data) {
					list[fmt.Sprintf("%s with %d zeros at %d", name, size, at)] = map[string][]byte{name: zeroed}
				}
			}
		}
	}
	return list
}

// Whatever a crash can leave of a block without a mark is found, and set aside as it is.
func TestDamageIsSetAside(t *testing.T) {
	content := files(t)
	for name, damage := range damages(content) {
		fsys := crashfs.New()
		ready(t, fsys)
		left := maps.Clone(content)
		for file, data := range damage {
			left[file] = data
			if data == nil {
				delete(left, file)
			}
		}
		must(t, write(fsys, "a", first, left))
		must(t, write(fsys, "a", second, content))
		d := newDir(fsys)
		r := recovered(t, d)
		if r != (Recovered{Blocks: 1, Sealed: 1, Damaged: 1}) {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if got := ids(t, d); !slices.Equal(got, []string{"a/" + second}) {
			t.Errorf("%s: returned %v", name, got)
		}
		if err := same(fsys, path.Join(root, "damaged", "a-"+first), left); err != nil {
			t.Errorf("%s: it was not set aside as it was: %v", name, err)
		}
	}
}

// The damaged copies of one block stand beside each other.
func TestDamagedTwice(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	ready(t, fsys)
	for n := 1; n <= 3; n++ {
		bad := maps.Clone(content)
		bad["data.parquet"] = bad["data.parquet"][:1000*n]
		must(t, write(fsys, "a", first, bad))
		if r := recovered(t, newDir(fsys)); r.Damaged != 1 {
			t.Fatalf("%+v", r)
		}
	}
	for n, name := range []string{"a-" + first, "a-" + first + "-2", "a-" + first + "-3"} {
		data, err := durable.ReadFile(fsys, path.Join(root, "damaged", name, "data.parquet"), 1<<20)
		if err != nil || len(data) != 1000*(n+1) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

// A block with a mark is not read again: it may be large, and its files were synced.
func TestSealedIsNotReadAgain(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	d := ready(t, fsys)
	must(t, write(fsys, "a", first, content))
	ids(t, d)
	must(t, fsys.Remove(path.Join(root, "blocks/a", first, "data.parquet")))
	d = newDir(fsys)
	if r := recovered(t, d); r != (Recovered{Blocks: 1}) {
		t.Errorf("%+v", r)
	}
	if got := ids(t, d); len(got) != 1 {
		t.Errorf("returned %v", got)
	}
}

// What a Tempo has left here before the first mark is taken as it is, also what it has not finished.
func TestBeforeTheFirstMark(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	old := map[string][]byte{"meta.json": content["meta.json"], "data.parquet": []byte("of another format")}
	unfinished := map[string][]byte{"data.parquet": content["data.parquet"]}
	must(t, write(fsys, "a", first, old))
	must(t, write(fsys, "a", second, unfinished))
	d := newDir(fsys)
	if r := recovered(t, d); r != (Recovered{Blocks: 1, Sealed: 1}) {
		t.Errorf("%+v", r)
	}
	if got := ids(t, d); !slices.Equal(got, []string{"a/" + first}) {
		t.Errorf("returned %v", got)
	}
	for id, want := range map[string]map[string][]byte{first: old, second: unfinished} {
		if err := same(fsys, path.Join(root, "blocks/a", id), want); err != nil {
			t.Error(err)
		}
	}
}

// A block of a format that this program does not read may be of before: it is no damage.
func TestUnknownFormat(t *testing.T) {
	content := files(t)
	content["meta.json"] = bytes.Replace(content["meta.json"], []byte("vParquet4"), []byte("vParquet2"), 1)
	fsys := crashfs.New()
	ready(t, fsys)
	must(t, write(fsys, "a", first, content))
	if r := recovered(t, newDir(fsys)); r != (Recovered{Blocks: 1, Sealed: 1}) {
		t.Errorf("%+v", r)
	}
}

func TestUnfinishedIsRemoved(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	ready(t, fsys)
	delete(content, "meta.json")
	must(t, write(fsys, "a", first, content))
	must(t, fsys.Mkdir(path.Join(root, "blocks/a", second), 0o755))
	if r := recovered(t, newDir(fsys)); r != (Recovered{Unfinished: 2}) {
		t.Errorf("%+v", r)
	}
	if exists(fsys, path.Join(root, "blocks/a", first)) || exists(fsys, path.Join(root, "blocks/a", second)) {
		t.Error("it is still there")
	}
}

// What Tempo has marked for deletion, and what is not Tempo's, is left alone.
func TestLeftAlone(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	ready(t, fsys)
	compacted := maps.Clone(content)
	compacted["meta.compacted.json"] = compacted["meta.json"]
	delete(compacted, "meta.json")
	notes := map[string][]byte{"readme": []byte("mine")}
	must(t, write(fsys, "a", first, compacted))
	must(t, write(fsys, "a", "notes", notes))
	d := newDir(fsys)
	if r := recovered(t, d); r != (Recovered{}) {
		t.Errorf("%+v", r)
	}
	if got := ids(t, d); len(got) != 0 {
		t.Errorf("returned %v", got)
	}
	for id, want := range map[string]map[string][]byte{first: compacted, "notes": notes} {
		if err := same(fsys, path.Join(root, "blocks/a", id), want); err != nil {
			t.Error(err)
		}
	}
}

func TestMarksOfDeletedBlocksAreForgotten(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	d := ready(t, fsys)
	must(t, write(fsys, "a", first, content))
	ids(t, d)
	for _, name := range names {
		must(t, fsys.Remove(path.Join(root, "blocks/a", first, name)))
	}
	must(t, fsys.Remove(path.Join(root, "blocks/a", first)))
	recovered(t, newDir(fsys))
	if exists(fsys, path.Join(root, "sealed/a", first)) {
		t.Error("the mark is still there: a later block of that name would not be checked")
	}
}

// Only blocks that can hold what is in the spool are returned after a start.
func TestSince(t *testing.T) {
	dir := t.TempDir()
	content := files(t)
	for i, id := range []string{first, second} {
		block := path.Join(dir, "blocks/a", id)
		must(t, os.MkdirAll(block, 0o755))
		for name, data := range content {
			must(t, os.WriteFile(path.Join(block, name), data, 0o644))
		}
		when := time.Now().Add(time.Duration(i-2) * time.Hour)
		must(t, os.Chtimes(path.Join(block, "meta.json"), when, when))
	}
	d := New(dir, nil, nil)
	r, err := d.Recover(time.Now().Add(-90 * time.Minute))
	must(t, err)
	if got := ids(t, d); !slices.Equal(got, []string{"a/" + second}) || r.Blocks != 2 {
		t.Errorf("%+v, returned %v", r, got)
	}
}

// The message says where the block is now.
func TestDamageIsSaid(t *testing.T) {
	content := files(t)
	fsys := crashfs.New()
	ready(t, fsys)
	content["data.parquet"] = content["data.parquet"][:100]
	must(t, write(fsys, "a", first, content))
	var out bytes.Buffer
	d := New(root, fsys, textLogger(&out))
	recovered(t, d)
	if !strings.Contains(out.String(), "/tempo/damaged/a-"+first) {
		t.Errorf("logged %q", out.String())
	}
}
