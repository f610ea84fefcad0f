package store

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	maxParts    = 10_000   // that S3 allows in one upload
	maxPartSize = 64 << 20 // in bytes, that we hold in memory
)

// An upload is an object in parts on its way.
type upload struct {
	id     string
	writer string                   // that the object will name
	kept   map[int]minio.ObjectPart // by number, from before an interruption
}

// putParts uploads size bytes in parts, holding one of them in memory. What an
// interruption leaves is taken up by the next call for that name.
func (s *s3Store) putParts(ctx context.Context, name string, r io.Reader, size int64) (Sum, error) {
	partSize, err := s.partSizeOf(size)
	if err != nil {
		return Sum{}, err
	}
	u, err := s.beginUpload(ctx, name)
	if err != nil {
		return Sum{}, err
	}
	parts, sum, err := s.sendParts(ctx, name, u, r, size, partSize)
	if err == nil {
		err = s.complete(ctx, name, u, parts, size)
	}
	switch r, _ := response(err); {
	case err == nil:
		return sum, nil
	case r.Code == "NoSuchUpload", r.Code == "InvalidPart":
		// Another writer has finished or spoilt the upload that both took up.
		if taken := s.free(ctx, name); taken != nil {
			return Sum{}, taken
		}
		return Sum{}, fmt.Errorf("the upload was disturbed by another writer; put it again: %w", err)
	case errors.Is(err, ErrExists), errors.Is(err, io.ErrUnexpectedEOF):
		_ = s.abort(context.WithoutCancel(ctx), s.key(name), u.id) // else Sweep does it
	default:
		s.mu.Lock()
		s.interrupted[s.key(name)] = u.id
		s.mu.Unlock()
	}
	return Sum{}, err
}

// partSizeOf grows the parts where the least size would give too many.
func (s *s3Store) partSizeOf(size int64) (int64, error) {
	const unit = 1 << 20
	least := (size + maxParts - 1) / maxParts
	partSize := max(s.partSize, (least+unit-1)/unit*unit)
	if partSize > maxPartSize {
		return 0, fmt.Errorf("object of %d bytes is larger than %d parts of %d", size, maxParts, maxPartSize)
	}
	return partSize, nil
}

// beginUpload takes up what was interrupted, or begins again.
func (s *s3Store) beginUpload(ctx context.Context, name string) (upload, error) {
	u, err := s.resumable(ctx, name)
	if err != nil || u.id != "" {
		return u, err
	}
	u.writer = rand.Text()
	err = s.try(ctx, func(ctx context.Context, _ *progress) error {
		u.id, err = s.core.NewMultipartUpload(ctx, s.at.bucket, s.key(name), minio.PutObjectOptions{
			UserMetadata: map[string]string{writerKey: u.writer},
		})
		return err
	})
	return u, err
}

// resumable is an upload of name that nobody works on, with its parts.
func (s *s3Store) resumable(ctx context.Context, name string) (upload, error) {
	key := s.key(name)
	s.mu.Lock()
	ours := s.interrupted[key]
	delete(s.interrupted, key)
	s.mu.Unlock()
	list, err := s.uploads(ctx, key)
	if err != nil {
		return upload{}, err
	}
	for _, candidate := range list {
		if candidate.Key != key {
			continue
		}
		kept, last, err := s.parts(ctx, key, candidate)
		if r, _ := response(err); r.Code == "NoSuchUpload" {
			continue // ended meanwhile
		}
		if err != nil {
			return upload{}, err
		}
		if candidate.UploadID == ours || time.Since(last) > s.idle {
			return upload{id: candidate.UploadID, kept: kept}, nil
		}
	}
	return upload{}, nil
}

// parts lists the parts of an upload, and when the last was put.
func (s *s3Store) parts(ctx context.Context, key string, of minio.ObjectMultipartInfo) (map[int]minio.ObjectPart, time.Time, error) {
	kept, last := map[int]minio.ObjectPart{}, of.Initiated
	for marker, more := 0, true; more; {
		var result minio.ListObjectPartsResult
		err := s.try(ctx, func(ctx context.Context, _ *progress) (err error) {
			result, err = s.core.ListObjectParts(ctx, s.at.bucket, key, of.UploadID, marker, pageSize)
			return err
		})
		if err != nil {
			return nil, last, err
		}
		for _, p := range result.ObjectParts {
			kept[p.PartNumber] = p
			if p.LastModified.After(last) {
				last = p.LastModified
			}
		}
		marker, more = result.NextPartNumberMarker, result.IsTruncated
	}
	return kept, last, nil
}

// sendParts uploads what is not there yet and hashes all of it.
func (s *s3Store) sendParts(ctx context.Context, name string, u upload, r io.Reader, size, partSize int64) ([]minio.CompletePart, Sum, error) {
	hash := sha256.New()
	buffer := make([]byte, partSize)
	var parts []minio.CompletePart
	for off := int64(0); off < size; off += partSize {
		data := buffer[:min(partSize, size-off)]
		if n, err := io.ReadFull(r, data); err != nil {
			return nil, Sum{}, shortSource(err, off+int64(n), size)
		}
		hash.Write(data)
		number := len(parts) + 1
		etag, err := s.sendPart(ctx, name, u, number, data)
		if err != nil {
			return nil, Sum{}, fmt.Errorf("part %d: %w", number, err)
		}
		parts = append(parts, minio.CompletePart{PartNumber: number, ETag: etag})
	}
	if err := atEnd(r, size); err != nil {
		return nil, Sum{}, err
	}
	return parts, Sum(hash.Sum(nil)), nil
}

// sendPart uploads a part, unless the server has it: the ETag of a part is the
// MD5 of its bytes, and where it is something else we upload again.
func (s *s3Store) sendPart(ctx context.Context, name string, u upload, number int, data []byte) (string, error) {
	if kept, ok := u.kept[number]; ok && kept.Size == int64(len(data)) {
		sum := md5.Sum(data)
		if tag := opaqueTag(kept.ETag); tag == hex.EncodeToString(sum[:]) {
			return tag, nil
		}
	}
	sum := sha256.Sum256(data)
	var part minio.ObjectPart
	err := s.try(ctx, func(ctx context.Context, p *progress) (err error) {
		body := p.reader(s.limit.reader(ctx, bytes.NewReader(data)))
		part, err = s.core.PutObjectPart(ctx, s.at.bucket, s.key(name), u.id, number, body, int64(len(data)), minio.PutObjectPartOptions{
			Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true,
		})
		return err
	})
	tag := opaqueTag(part.ETag) // a weak one is a proxy's, and the server knows its own
	if tag == "" {
		md5 := md5.Sum(data)
		tag = hex.EncodeToString(md5[:])
	}
	return tag, err
}

// complete makes the object of its parts and checks that it is whole.
func (s *s3Store) complete(ctx context.Context, name string, u upload, parts []minio.CompletePart, size int64) error {
	err := s.create(ctx, name, u.writer, func(ctx context.Context, _ *progress, opts minio.PutObjectOptions) error {
		opts.UserMetadata = nil // said when the upload began
		_, err := s.core.CompleteMultipartUpload(ctx, s.at.bucket, s.key(name), u.id, parts, opts)
		return err
	})
	if r, _ := response(err); r.Code == "NoSuchUpload" && u.writer != "" && s.wrote(ctx, name, u.writer) {
		err = nil // completed by an attempt whose answer was lost
	}
	if err != nil {
		return err
	}
	info, err := s.stat(ctx, name)
	if err != nil {
		return fmt.Errorf("look at the completed object: %w", err)
	}
	if info.Size != size {
		return fmt.Errorf("the server made an object of %d bytes of %d: delete it", info.Size, size)
	}
	return nil
}

func (s *s3Store) abort(ctx context.Context, key, id string) error {
	err := s.try(ctx, func(ctx context.Context, _ *progress) error {
		return s.core.AbortMultipartUpload(ctx, s.at.bucket, key, id)
	})
	if r, _ := response(err); r.Code == "NoSuchUpload" {
		return nil
	}
	return err
}
