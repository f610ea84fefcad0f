package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"iter"
	"time"
)

var (
	// ErrExists says that Put found its name taken. It is fs.ErrExist.
	ErrExists = fs.ErrExist
	// ErrNotExist says that there is no object of that name. It is fs.ErrNotExist.
	ErrNotExist = fs.ErrNotExist
	// ErrReplaced says that Replace came between Open and a read of a remote
	// object. Open it again; ReadFile does.
	ErrReplaced = errors.New("the object was replaced while it was read")
	// ErrFull says that the store has no space left. Nothing of the object that
	// did not fit remains.
	ErrFull = errors.New("no space left in the store")
	// ErrDenied says that the store refused the access: credentials, policy, or
	// the permissions of a directory.
	ErrDenied = errors.New("access denied")
)

// Sum is the SHA-256 of an object's bytes.
type Sum = [sha256.Size]byte

// A Store keeps objects under names such as "tenant/block/meta.json": a valid
// path in the sense of fs.ValidPath, of printable ASCII, with no part that begins
// with "@staging-". A name that is an object cannot be a directory to others.
//
// The methods may be called at the same time, also by several processes on the
// same store. They return soon after ctx ends. Errors that may pass were retried
// already for some seconds; they name the store, the object and what to do.
type Store interface {
	// Put keeps the size bytes of r under name and returns their SHA-256, taken
	// from the very bytes that it kept. Nil means: whole, checked in transit,
	// durable. Until then nothing is visible under name, and after an error
	// nothing of this call ever will be, but for one case: when the answer
	// of a remote store is lost, the object may be there whole.
	//
	// The error is ErrExists when the name is taken, then surely durably so; an
	// object is never overwritten, and of two calls at once for one name exactly
	// one returns nil. It is io.ErrUnexpectedEOF when r ends before size bytes, and
	// some other error when it goes on after them. An error of r ends up in the
	// chain. Put reads r once, from its position on; an *os.File at its beginning
	// whose length is size is cloned where the filesystem can share its bytes.
	Put(ctx context.Context, name string, r io.Reader, size int64) (Sum, error)

	// Replace keeps data under name, whatever was there; for the few small
	// objects that change. A reader at any time, and after any crash, finds the
	// old or the new bytes; of calls at the same time the last one wins.
	Replace(ctx context.Context, name string, data []byte) error

	// Open opens an object for reading; ErrNotExist when there is none. Reads
	// through it fail once ctx has ended, so ctx must live as long as they do.
	Open(ctx context.Context, name string) (Object, error)

	// List yields the direct children of dir ("." is the root of the store) in the order of their
	// names, where the name of a directory counts as if it ended in a slash. A
	// directory that is not there has no children. The first error ends it.
	List(ctx context.Context, dir string) iter.Seq2[Entry, error]

	// Delete removes an object, durably. That it is gone already is not an error.
	// Directories that become empty go with it.
	Delete(ctx context.Context, name string) error

	// Sweep removes what interrupted calls of Put and Replace left behind out of
	// sight: staging files, unfinished multipart uploads. It leaves alone what is
	// younger than age, for that may be a call still at work; 24 hours is a good
	// age. It returns how many it removed, also with an error.
	Sweep(ctx context.Context, age time.Duration) (int, error)

	// URL is where the store is, as Open takes it. It contains no secret.
	URL() string

	// Close gives back what the store holds. No method may be called after it,
	// nor on its Objects.
	Close() error
}

// An Object is open for reading. Its methods may be called at the same time.
type Object interface {
	// ReadAt reads as io.ReaderAt says, not held back by the bandwidth limit. On a
	// remote store small reads go through a read-ahead buffer of at most 1 MiB.
	io.ReaderAt
	// WriteTo writes the whole object to w in order, within the bandwidth limit;
	// for verifying and restoring. It fails when it cannot read Size bytes.
	io.WriterTo
	io.Closer
	// Size is the number of bytes.
	Size() int64
}

// An Entry is a direct child of a directory.
type Entry struct {
	Name string // its last part, without a slash
	Dir  bool   // other names begin with it; it may be empty after a crash
	Size int64  // in bytes; 0 for a directory
}
