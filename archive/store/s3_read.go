package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	chunkSize = 128 << 10 // of read-ahead
	maxChunks = 8         // kept for one object, 1 MiB
)

// s3Object reads one version of an object: each request names its ETag. One that
// is weak (W/"...") never matches, so the answer's is compared instead, and where
// there is none the time of the last change.
type s3Object struct {
	ctx  context.Context // that of Open, as its contract says
	s    *s3Store
	name string
	etag string
	time time.Time // of the last change
	size int64

	mu     sync.Mutex
	chunks []chunk // the last ones read, the latest at the end
}

type chunk struct {
	number int64
	data   []byte
}

func (s *s3Store) Open(ctx context.Context, name string) (Object, error) {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	info, err := s.stat(ctx, name)
	if err != nil {
		return nil, s.fail("open", name, err)
	}
	return &s3Object{ctx: ctx, s: s, name: name, etag: info.ETag, time: info.LastModified, size: info.Size}, nil
}

func (o *s3Object) Size() int64 { return o.size }

func (o *s3Object) Close() error { return nil }

// ReadAt asks for large ranges as they are, and for small ones by way of chunks:
// readers of Parquet ask for a few bytes here and there.
func (o *s3Object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s at %d: negative offset", o.name, off)
	}
	want := p[:max(0, min(int64(len(p)), o.size-off))]
	var err error
	switch {
	case len(want) >= chunkSize:
		err = o.fetch(want, off)
	default:
		err = o.readChunks(want, off)
	}
	if err != nil {
		return 0, o.s.fail("read", o.name, err)
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

func (o *s3Object) readChunks(p []byte, off int64) error {
	for len(p) > 0 {
		number := off / chunkSize
		data, err := o.chunk(number)
		if err != nil {
			return err
		}
		n := copy(p, data[off-number*chunkSize:])
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (o *s3Object) chunk(number int64) ([]byte, error) {
	o.mu.Lock()
	i := slices.IndexFunc(o.chunks, func(c chunk) bool { return c.number == number })
	if i >= 0 {
		c := o.chunks[i]
		o.chunks = append(slices.Delete(o.chunks, i, i+1), c)
		o.mu.Unlock()
		return c.data, nil
	}
	o.mu.Unlock() // two may fetch the same; none waits for another's chunk
	data := make([]byte, min(chunkSize, o.size-number*chunkSize))
	if err := o.fetch(data, number*chunkSize); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.chunks) == maxChunks {
		o.chunks = slices.Delete(o.chunks, 0, 1)
	}
	o.chunks = append(o.chunks, chunk{number, data})
	return data, nil
}

// fetch reads exactly len(p) bytes from off on.
func (o *s3Object) fetch(p []byte, off int64) error {
	return o.s.try(o.ctx, func(ctx context.Context, progress *progress) error {
		body, err := o.get(ctx, off, off+int64(len(p)))
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.ReadFull(progress.reader(body), p)
		return noEOF(err)
	})
}

// get asks for the bytes from off to end.
func (o *s3Object) get(ctx context.Context, off, end int64) (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	if err := opts.SetRange(off, end-1); err != nil {
		return nil, err
	}
	if o.matchable() {
		if err := opts.SetMatchETag(o.etag); err != nil {
			return nil, err
		}
	}
	body, info, header, err := o.s.core.GetObject(ctx, o.s.at.bucket, o.s.key(o.name), opts)
	if r, _ := response(err); r.StatusCode == http.StatusPreconditionFailed {
		if again, err := o.s.core.StatObject(ctx, o.s.at.bucket, o.s.key(o.name), minio.StatObjectOptions{}); err == nil && o.matchable() && o.isThis(again) {
			o.s.logger.WarnContext(ctx, "the store matches no ETag of its own; those of its answers are compared", "store", o.s.URL())
			o.s.unmatched.Store(true)
			return o.get(ctx, off, end)
		}
		return nil, sourceError{ErrReplaced}
	}
	if err != nil {
		return nil, err
	}
	if !o.isThis(info) {
		return nil, errors.Join(sourceError{ErrReplaced}, body.Close())
	}
	want := fmt.Sprintf("bytes %d-%d/", off, end-1)
	if got := header.Get("Content-Range"); !strings.HasPrefix(got, want) {
		return nil, errors.Join(fmt.Errorf("the server sent range %q instead of %q", got, want), body.Close())
	}
	return body, nil
}

// matchable says whether a request can be for this very version.
func (o *s3Object) matchable() bool {
	return o.etag != "" && !isWeak(o.etag) && !o.s.unmatched.Load()
}

// isThis says whether an answer is of the version that was opened.
func (o *s3Object) isThis(info minio.ObjectInfo) bool {
	if o.etag == "" || info.ETag == "" {
		return info.LastModified.Equal(o.time)
	}
	return opaqueTag(info.ETag) == opaqueTag(o.etag)
}

// isWeak says whether an ETag, from which the library took the quotes at its ends, is a weak one.
func isWeak(etag string) bool { return strings.HasPrefix(etag, "W/") }

// opaqueTag is what of an ETag tells one version from another: a proxy that
// compresses makes a weak one of a strong one.
func opaqueTag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

// WriteTo goes on behind what it has written when a transfer breaks off.
func (o *s3Object) WriteTo(w io.Writer) (int64, error) {
	var done int64
	for done < o.size {
		err := o.s.try(o.ctx, func(ctx context.Context, progress *progress) error {
			n, err := o.stream(ctx, progress, w, done)
			done += n
			if err != nil && n > 0 && passing(err) {
				return nil // some progress: the attempts count again
			}
			return err
		})
		if err != nil {
			return done, o.s.fail("read", o.name, err)
		}
	}
	return done, nil
}

// stream writes what follows off to w until the transfer ends.
func (o *s3Object) stream(ctx context.Context, progress *progress, w io.Writer, off int64) (int64, error) {
	body, err := o.get(ctx, off, o.size)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	r := o.s.limit.reader(ctx, progress.reader(body))
	b := make([]byte, min(bufferSize, o.size-off))
	var done int64
	for {
		n, err := r.Read(b)
		written, failed := w.Write(b[:n])
		done += int64(written)
		progress.step()
		switch {
		case failed != nil:
			return done, sourceError{failed}
		case err == io.EOF && done == o.size-off:
			return done, nil
		case err != nil:
			return done, noEOF(err)
		}
	}
}
