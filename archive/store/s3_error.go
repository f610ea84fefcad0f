package store

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// response is what the server said, if err is that.
func response(err error) (minio.ErrorResponse, bool) {
	var r minio.ErrorResponse
	ok := errors.As(err, &r)
	return r, ok
}

// Codes of errors that another attempt may not meet: the request was garbled or
// cut on its way. (409 is a request that met another, and passes too.)
var passingCodes = []string{
	"XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "BadDigest", "InvalidDigest", "IncompleteBody", "RequestTimeout",
	"SlowDown",
}

// passing says whether another attempt may succeed.
func passing(err error) bool {
	if r, ok := response(err); ok {
		if slices.Contains(passingCodes, r.Code) {
			return true
		}
		switch r.StatusCode {
		case http.StatusNotImplemented, http.StatusInsufficientStorage:
			return false
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusConflict:
			return true
		}
		return r.StatusCode >= 500 && !full(r)
	}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var dns *net.DNSError
	switch {
	case errors.As(err, &authority), errors.As(err, &host), plainHTTP(err):
		return false
	case errors.As(err, &dns) && dns.IsNotFound:
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	var local sourceError
	return !errors.As(err, &local) && !errors.Is(err, notS3{})
}

// sourceError is an error of the caller's, or of what he does, that no attempt of ours mends.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// notS3 is an answer of something else.
type notS3 struct{}

func (notS3) Error() string {
	return "the endpoint does not answer as S3 does; check endpoint= in the URL"
}

func full(r minio.ErrorResponse) bool {
	return r.StatusCode == http.StatusInsufficientStorage || slices.Contains([]string{"QuotaExceeded", "XMinioStorageFull", "NoSpaceLeftOnDevice"}, r.Code)
}

func plainHTTP(err error) bool {
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// s3Error adds the sentinels of the package and what to do.
func (s *s3Store) s3Error(err error) error {
	if err == nil {
		return nil
	}
	var dns *net.DNSError
	var dial *net.OpError
	var authority x509.UnknownAuthorityError
	r, answered := response(err)
	switch {
	case !answered && plainHTTP(err):
		return fmt.Errorf("the endpoint speaks plain HTTP; add insecure=true to the URL: %w", err)
	case !answered && errors.As(err, &authority):
		return fmt.Errorf("the endpoint's certificate is signed by nobody known here; name its CA in SSL_CERT_FILE: %w", err)
	case !answered && (errors.As(err, &dns) || errors.As(err, &dial) && dial.Op == "dial"):
		return fmt.Errorf("the endpoint cannot be reached; check endpoint= in the URL: %w", err)
	case !answered:
		return noEOF(err)
	case r.Code == "NoSuchBucket":
		return fmt.Errorf("bucket %s does not exist; create it, or correct the URL: %w", s.at.bucket, err)
	case r.Code == "NoSuchUpload", r.Code == "InvalidPart", r.Code == "NotImplemented":
		return err
	case r.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", ErrExists, err)
	case full(r):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case r.Code == "InvalidAccessKeyId", r.Code == "SignatureDoesNotMatch", r.Code == "ExpiredToken", r.Code == "InvalidToken", r.Code == "XAdminUserNotFound":
		return fmt.Errorf("%w: check the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %s: %w", ErrDenied, r.Code, err)
	case r.Code == "AuthorizationHeaderMalformed", r.Code == "InvalidRegion", r.Code == "PermanentRedirect", r.Code == "IllegalLocationConstraintException":
		return fmt.Errorf("the bucket is in another region; set region= in the URL: %w", err)
	case r.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("%w: the clock of this machine differs too much from the server's; it is %s here: %w", ErrDenied, time.Now().UTC().Format(time.RFC3339), err)
	case r.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: allow s3:ListBucket, ListBucketMultipartUploads, GetObject, PutObject, DeleteObject and AbortMultipartUpload on bucket %s: %w", ErrDenied, s.at.bucket, err)
	case r.Code == "NoSuchKey":
		return fmt.Errorf("%w: %w", ErrNotExist, err)
	}
	return fmt.Errorf("the endpoint answered %d %s: %w", r.StatusCode, r.Code, err)
}
