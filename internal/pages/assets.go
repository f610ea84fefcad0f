package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages need, by name.
type assets map[string]asset

type asset struct {
	contents []byte
	version  string // of the contents
}

func loadAssets() (assets, error) {
	all := assets{}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("read the files of the pages: %w", err)
	}
	for _, e := range entries {
		contents, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the files of the pages: %w", err)
		}
		sum := sha256.Sum256(contents)
		all[e.Name()] = asset{contents, hex.EncodeToString(sum[:6])}
	}
	return all, nil
}

// path is where a page finds a file: its name and its version, so that a
// browser may keep it.
func (a assets) path(name string) string { return "/pages/" + name + "?v=" + a[name].version }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	name := r.PathValue("name")
	file, ok := a[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == file.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Content-Length", strconv.Itoa(len(file.contents)))
	_, _ = w.Write(file.contents) // the client has gone
}
