package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"

	"appliance/archive/store"
	"appliance/internal/durable"
)

const (
	// identityName is the object at a store's root that tells it from other
	// stores.
	identityName = ownPrefix + "store.json"
	// maxIdentityBytes is more than what is remembered of a store takes.
	maxIdentityBytes = 64 << 10
)

// identity is what a store says of itself.
type identity struct {
	ID     string    `json:"id"` // a UUID
	MadeAt time.Time `json:"made_at"`
}

// rememberedStore is what a data directory knows of the store of its last run.
type rememberedStore struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// KnownStore tells the store of the last run from any other: a disk that is not
// mounted, a bucket that was emptied, another prefix. What is purged while
// another store is there would be in that store alone.
type KnownStore struct {
	Store store.Store
	File  string     // remembers the store; in the data directory
	FS    durable.FS // nil is durable.OS
}

// StoreChangedError says that the store is not, or not known to be, that of the
// last run.
type StoreChangedError struct {
	URL, ID         string // of the store; no ID where it has none
	LastURL, LastID string // of that of the last run
	Err             error  // why that is not known, where it is not
}

func (e *StoreChangedError) Error() string {
	now := "it has no identity, as a disk that is not mounted or a bucket that was emptied"
	if e.ID != "" {
		now = "it is store " + e.ID
	}
	last := fmt.Sprintf("that of the last run, %s at %s", e.LastID, e.LastURL)
	if e.LastID == "" {
		last = fmt.Sprintf("known to be that of the last run (%v)", e.Err)
	}
	return fmt.Sprintf("the archive's store %s is not %s: %s; mount or correct what is wrong and start again, "+
		"or, if this store is meant: appliance archive confirm-store", e.URL, last, now)
}

func (e *StoreChangedError) Unwrap() error { return e.Err }

// Check is a *StoreChangedError where the store is not that of the last run.
// Where there was none, the store is remembered, and gets an identity if it has
// none yet. Another error is that of the store.
func (k KnownStore) Check(ctx context.Context) error {
	id, err := storeID(ctx, k.Store)
	if err != nil {
		return err
	}
	last, err := k.remembered()
	if errors.Is(err, fs.ErrNotExist) {
		if id == "" {
			if id, err = makeStoreID(ctx, k.Store); err != nil {
				return err
			}
		}
		last, err = rememberedStore{id, k.Store.URL()}, k.remember(id)
	}
	if err != nil {
		return &StoreChangedError{URL: k.Store.URL(), ID: id, Err: err}
	}
	if id != last.ID {
		return &StoreChangedError{URL: k.Store.URL(), ID: id, LastURL: last.URL, LastID: last.ID}
	}
	return nil
}

// Confirm remembers the store as the one that is meant, and returns its
// identity, which it gets if it has none.
func (k KnownStore) Confirm(ctx context.Context) (id string, err error) {
	if id, err = storeID(ctx, k.Store); err != nil {
		return "", err
	}
	if id == "" {
		if id, err = makeStoreID(ctx, k.Store); err != nil {
			return "", err
		}
	}
	return id, k.remember(id)
}

func (k KnownStore) remember(id string) error {
	text, err := json.MarshalIndent(rememberedStore{id, k.Store.URL()}, "", " ")
	if err == nil {
		err = durable.WriteFile(k.fsys(), k.File, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("remember the archive's store: %w", err)
	}
	return nil
}

func (k KnownStore) fsys() durable.FS {
	if k.FS == nil {
		return durable.OS
	}
	return k.FS
}

// remembered reads the file. The error is fs.ErrNotExist before the first run.
func (k KnownStore) remembered() (last rememberedStore, err error) {
	text, err := durable.ReadFile(k.fsys(), k.File, maxIdentityBytes)
	if err != nil {
		return last, fmt.Errorf("read which store the last run archived to: %w", err)
	}
	if err = json.Unmarshal(text, &last); err == nil {
		err = uuid.Validate(last.ID)
	}
	if err != nil {
		return last, fmt.Errorf("parse %s of %d bytes: %w", k.File, len(text), err)
	}
	return last, nil
}

// storeID is the identity of a store; "" where it has none that can be read.
func storeID(ctx context.Context, s store.Store) (string, error) {
	text, err := store.ReadFile(ctx, s, identityName, maxIdentityBytes)
	if errors.Is(err, store.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("read the identity of the archive's store: %w", err)
	}
	var id identity
	if json.Unmarshal(text, &id) != nil || uuid.Validate(id.ID) != nil {
		return "", nil
	}
	return id.ID, nil
}

// makeStoreID gives a store an identity. Of two that do so at the same time one
// wins, and both return that.
func makeStoreID(ctx context.Context, s store.Store) (string, error) {
	now := time.Now().UTC().Truncate(time.Second)
	text, err := json.MarshalIndent(identity{uuid.NewString(), now}, "", " ")
	if err != nil {
		return "", err
	}
	text = append(text, '\n')
	_, err = s.Put(ctx, identityName, bytes.NewReader(text), int64(len(text)))
	id := ""
	if err == nil || errors.Is(err, store.ErrExists) {
		id, err = storeID(ctx, s)
	}
	if err == nil && id == "" { // one is there and cannot be read
		if err = s.Replace(ctx, identityName, text); err == nil {
			id, err = storeID(ctx, s)
		}
	}
	if err != nil {
		return "", fmt.Errorf("give the archive's store an identity: %w", err)
	}
	return id, nil
}
