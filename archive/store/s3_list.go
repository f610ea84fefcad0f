package store

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// pageSize is how many entries a request lists; S3 gives no more.
const pageSize = 1000

func (s *s3Store) List(ctx context.Context, dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		prefix := s.at.prefix
		if dir != "." {
			prefix += dir + "/"
		}
		err := checkDir(dir)
		for token, more := "", err == nil; more; {
			var page []Entry
			err = s.try(ctx, func(ctx context.Context, _ *progress) error {
				result, err := s.page(ctx, prefix, token)
				page, more = entries(result, prefix), result.IsTruncated
				if err == nil {
					token = result.NextContinuationToken
				}
				return err
			})
			if err != nil {
				break
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(Entry{}, s.fail("list", dir, err))
		}
	}
}

// page lists the entries that follow token. The library's call takes no context,
// so it is left alone when ctx ends, and lifelong ends it.
func (s *s3Store) page(ctx context.Context, prefix, token string) (minio.ListBucketV2Result, error) {
	type answer struct {
		result minio.ListBucketV2Result
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		result, err := s.core.ListObjectsV2(s.at.bucket, prefix, "", token, "/", pageSize)
		answers <- answer{result, err}
	}()
	select {
	case a := <-answers:
		if a.err == nil && a.result.Name == "" { // any XML, or a web page, reads as an empty list
			return a.result, notS3{}
		}
		return a.result, a.err
	case <-ctx.Done():
		return minio.ListBucketV2Result{}, ctx.Err()
	}
}

// entries is a page in the order of List: S3 orders keys and common prefixes
// each for themselves.
func entries(page minio.ListBucketV2Result, prefix string) []Entry {
	list := make([]Entry, 0, len(page.Contents)+len(page.CommonPrefixes))
	for _, o := range page.Contents {
		// Consoles make empty objects to show directories.
		if name := strings.TrimPrefix(o.Key, prefix); name != "" {
			list = append(list, Entry{Name: name, Size: o.Size})
		}
	}
	for _, p := range page.CommonPrefixes {
		list = append(list, Entry{Name: strings.TrimPrefix(p.Prefix, prefix), Dir: true})
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	for i := range list {
		list[i].Name = strings.TrimSuffix(list[i].Name, "/")
	}
	return list
}

func (s *s3Store) Sweep(ctx context.Context, age time.Duration) (int, error) {
	removed := 0
	uploads, err := s.uploads(ctx, s.at.prefix)
	if err != nil {
		return 0, s.fail("list unfinished uploads", ".", err)
	}
	for _, u := range uploads {
		if time.Since(u.Initiated) < age {
			continue
		}
		if err := s.abort(ctx, u.Key, u.UploadID); err != nil {
			return removed, s.fail("abort an unfinished upload of", strings.TrimPrefix(u.Key, s.at.prefix), err)
		}
		removed++
	}
	return removed, nil
}

// uploads lists the unfinished multipart uploads of the keys that begin with prefix.
func (s *s3Store) uploads(ctx context.Context, prefix string) ([]minio.ObjectMultipartInfo, error) {
	var list []minio.ObjectMultipartInfo
	for keyMarker, idMarker, more := "", "", true; more; {
		var result minio.ListMultipartUploadsResult
		err := s.try(ctx, func(ctx context.Context, _ *progress) (err error) {
			result, err = s.core.ListMultipartUploads(ctx, s.at.bucket, prefix, keyMarker, idMarker, "", pageSize)
			return err
		})
		if err != nil {
			return nil, err
		}
		list = append(list, result.Uploads...)
		keyMarker, idMarker, more = result.NextKeyMarker, result.NextUploadIDMarker, result.IsTruncated
	}
	return list, nil
}
