package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"
)

// writerKey is the metadata in which each object says which call wrote it: when
// an answer is lost, the next attempt finds the name taken and must know by whom.
const writerKey = "Appliance-Put"

func (s *s3Store) Put(ctx context.Context, name string, r io.Reader, size int64) (Sum, error) {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return Sum{}, err
	}
	sum, err := s.put(ctx, name, r, size)
	if err != nil {
		return Sum{}, s.fail("put", name, err)
	}
	return sum, nil
}

func (s *s3Store) put(ctx context.Context, name string, r io.Reader, size int64) (Sum, error) {
	if err := s.free(ctx, name); err != nil {
		return Sum{}, err
	}
	if size > s.partSize {
		return s.putParts(ctx, name, r, size)
	}
	data := make([]byte, size)
	if n, err := io.ReadFull(r, data); err != nil {
		return Sum{}, shortSource(err, int64(n), size)
	}
	if err := atEnd(r, size); err != nil {
		return Sum{}, err
	}
	sum := sha256.Sum256(data)
	writer := rand.Text()
	upload := func(ctx context.Context, p *progress, opts minio.PutObjectOptions) error {
		return s.upload(ctx, p, name, data, sum, opts)
	}
	err := s.create(ctx, name, writer, upload)
	if err == nil {
		s.asked.Do(func() { s.testConditions(ctx, writer, upload) })
	}
	return sum, err
}

// testConditions creates an object once more that this process has just created.
// A server that takes it, with the same bytes, ignores conditions: two writers
// could overwrite each other, and nobody would know.
func (s *s3Store) testConditions(ctx context.Context, writer string, again func(context.Context, *progress, minio.PutObjectOptions) error) {
	if s.unconditional.Load() {
		return
	}
	opts := minio.PutObjectOptions{UserMetadata: map[string]string{writerKey: writer}}
	opts.SetMatchETagExcept("*")
	err := s.once(ctx, func(ctx context.Context, p *progress) error { return again(ctx, p, opts) })
	if err == nil && !s.unconditional.Swap(true) {
		s.warnUnconditional(ctx)
	}
}

func (s *s3Store) warnUnconditional(ctx context.Context) {
	s.logger.WarnContext(ctx, "the store cannot create an object on condition: let only one archiver write to it", "store", s.URL())
}

// free is ErrExists where name is taken.
func (s *s3Store) free(ctx context.Context, name string) error {
	_, err := s.stat(ctx, name)
	if err == nil {
		return ErrExists
	}
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

func (s *s3Store) stat(ctx context.Context, name string) (info minio.ObjectInfo, err error) {
	err = s.try(ctx, func(ctx context.Context, _ *progress) error {
		info, err = s.core.StatObject(ctx, s.at.bucket, s.key(name), minio.StatObjectOptions{})
		if r, ok := response(err); ok && (r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusForbidden) {
			err = s.inWords(ctx, name, err)
		}
		return err
	})
	return info, err
}

// inWords asks in another way why a HEAD was refused, whose answer has no body and
// so no reason.
func (s *s3Store) inWords(ctx context.Context, name string, refused error) error {
	var opts minio.GetObjectOptions
	if err := opts.SetRange(0, 0); err != nil {
		return refused
	}
	body, _, _, err := s.core.GetObject(ctx, s.at.bucket, s.key(name), opts)
	if err == nil {
		_ = body.Close() // it is not read
		return refused
	}
	if r, ok := response(err); ok && (r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusForbidden) {
		return err
	}
	return refused
}

// create calls do, which makes an object appear, on the condition that the name
// is free; the server decides, at once for all writers. Where it knows no
// conditions we look first, which leaves a moment in which two writers can meet.
func (s *s3Store) create(ctx context.Context, name, writer string, do func(context.Context, *progress, minio.PutObjectOptions) error) error {
	opts := minio.PutObjectOptions{UserMetadata: map[string]string{writerKey: writer}}
	if !s.unconditional.Load() {
		conditional := opts
		conditional.SetMatchETagExcept("*")
		attempts := 0
		err := s.try(ctx, func(ctx context.Context, p *progress) error {
			attempts++
			return do(ctx, p, conditional)
		})
		if errors.Is(err, ErrExists) && attempts > 1 && s.wrote(ctx, name, writer) {
			return nil
		}
		if r, _ := response(err); r.Code != "NotImplemented" {
			return err
		}
		if !s.unconditional.Swap(true) {
			s.warnUnconditional(ctx)
		}
	}
	if err := s.free(ctx, name); err != nil {
		return err
	}
	return s.try(ctx, func(ctx context.Context, p *progress) error { return do(ctx, p, opts) })
}

// wrote says whether the object is that of writer: an attempt whose answer was
// lost has taken the name from the next one.
func (s *s3Store) wrote(ctx context.Context, name, writer string) bool {
	info, err := s.stat(ctx, name)
	return err == nil && info.UserMetadata[writerKey] == writer
}

// upload sends data in one request. The server refuses what does not have the
// SHA-256 that is part of the signed request.
func (s *s3Store) upload(ctx context.Context, p *progress, name string, data []byte, sum Sum, opts minio.PutObjectOptions) error {
	opts.DisableContentSha256 = true // no hashing in chunks: the sum of all is given
	body := p.reader(s.limit.reader(ctx, bytes.NewReader(data)))
	_, err := s.core.PutObject(ctx, s.at.bucket, s.key(name), body, int64(len(data)), "", hex.EncodeToString(sum[:]), opts)
	return err
}

func (s *s3Store) Replace(ctx context.Context, name string, data []byte) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	err := s.try(ctx, func(ctx context.Context, p *progress) error {
		return s.upload(ctx, p, name, data, sum, minio.PutObjectOptions{})
	})
	if err != nil {
		return s.fail(fmt.Sprintf("replace with %d bytes", len(data)), name, err)
	}
	return nil
}
