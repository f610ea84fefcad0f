package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"appliance/archive/store"
)

// deriveAttempts is how many ids are tried for a block whose own is taken.
const deriveAttempts = 4

// contents digests all of b's files.
func (c *copier) contents(ctx context.Context, b *sourceBlock) ([sha256.Size]byte, error) {
	h := sha256.New()
	h.Write(b.text)
	for _, f := range b.files {
		o, err := c.src.Open(ctx, ObjectName(b.tenant, b.id, f.Name))
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		sum, err := digest(o)
		if err = errors.Join(err, o.Close()); err != nil {
			return [sha256.Size]byte{}, err
		}
		fmt.Fprintf(h, "\n%s %d %s", f.Name, f.Size, sum)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// derivedIDs yields the ids that a block with such contents gets, one after the
// other, where its own is taken. Two archivers find the same.
func derivedIDs(id string, content [sha256.Size]byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		u, err := uuid.Parse(id)
		for range deriveAttempts {
			u = uuid.NewSHA1(u, content[:])
			if err != nil || !yield(u.String()) {
				return
			}
		}
	}
}

// renamed is a meta.json with another block's id and nothing else changed.
func renamed(text []byte, from, to string) ([]byte, error) {
	old, repl := []byte(`"`+from+`"`), []byte(`"`+to+`"`)
	out := bytes.Replace(text, old, repl, 1)
	var meta map[string]json.RawMessage
	if err := json.Unmarshal(out, &meta); err != nil || !bytes.Equal(meta["blockID"], repl) {
		return nil, fmt.Errorf("%w: its %s has no plain blockID", errDamaged, MetaName)
	}
	return out, nil
}

// digest is the SHA-256 of an object in hexadecimal.
func digest(o store.Object) (string, error) {
	h := sha256.New()
	if _, err := o.WriteTo(h); err != nil {
		return "", err
	}
	return hexSum([sha256.Size]byte(h.Sum(nil))), nil
}
