package store

import (
	"context"
	"crypto/tls"
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
	var dns *net.DNSError
	switch {
	case untrusted(err) != "", plainHTTP(err):
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

// plainHTTP says of an error that the endpoint does not speak TLS.
func plainHTTP(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

// wantsTLS says of an answer to plain HTTP that it came from a port with TLS: they
// know no other way to say so.
func (s *s3Store) wantsTLS(r minio.ErrorResponse) bool {
	said := strings.ToLower(r.Code + r.Message)
	return s.at.insecure && r.StatusCode == http.StatusBadRequest && (strings.Contains(said, "https") || !isS3Code(r.Code))
}

// isS3Code tells a code that a server gave from the status line that stands for it
// where there was none.
func isS3Code(code string) bool { return code != "" && !strings.ContainsAny(code, " ") }

// viaProxy says of an error that a proxy could not be reached.
func viaProxy(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "proxyconnect"
}

// untrusted says what of a certificate is wrong, and what to do; "" for other errors.
func untrusted(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return "the endpoint's certificate is signed by nobody known here; name its CA in SSL_CERT_FILE"
	case errors.As(err, &host):
		return "the endpoint's certificate is for other names; give one of them as endpoint= in the URL"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the endpoint's certificate is out of date, or the clock of this machine is wrong; it is " + time.Now().UTC().Format(time.RFC3339) + " here"
	case errors.As(err, &invalid):
		return "the endpoint's certificate is not valid; have its owner mend it"
	}
	return ""
}

// expired says that a token was good once.
func expired(code string) bool { return code == "ExpiredToken" || code == "TokenRefreshRequired" }

// keysFrom names what the credentials were taken from.
func keysFrom() string {
	if firstSet("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY") != "" {
		return "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
	}
	return "the file of AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials)"
}

// s3Error adds the sentinels of the package and what to do.
func (s *s3Store) s3Error(err error) error {
	if err == nil {
		return nil
	}
	var dns *net.DNSError
	var dial *net.OpError
	r, answered := response(err)
	switch {
	case !answered && plainHTTP(err):
		return fmt.Errorf("the endpoint speaks plain HTTP; add insecure=true to the URL: %w", err)
	case !answered && untrusted(err) != "":
		return fmt.Errorf("%s: %w", untrusted(err), err)
	case !answered && viaProxy(err):
		return fmt.Errorf("the proxy that HTTPS_PROXY or HTTP_PROXY names cannot be reached; correct it, or name the endpoint in NO_PROXY: %w", err)
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
	case expired(r.Code):
		return fmt.Errorf("%w: the credentials have expired; renew them in %s: %s: %w", ErrDenied, keysFrom(), r.Code, err)
	case r.Code == "InvalidAccessKeyId", r.Code == "SignatureDoesNotMatch", r.Code == "InvalidToken", r.Code == "XAdminUserNotFound":
		return fmt.Errorf("%w: check the credentials in %s: %s: %w", ErrDenied, keysFrom(), r.Code, err)
	case r.Code == "AuthorizationHeaderMalformed", r.Code == "InvalidRegion", r.Code == "PermanentRedirect", r.Code == "IllegalLocationConstraintException":
		return fmt.Errorf("the bucket is in another region; set region= in the URL: %w", err)
	case r.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("%w: the clock of this machine differs too much from the server's; it is %s here: %w", ErrDenied, time.Now().UTC().Format(time.RFC3339), err)
	case r.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: allow s3:ListBucket, ListBucketMultipartUploads, GetObject, PutObject, DeleteObject and AbortMultipartUpload on bucket %s: %w", ErrDenied, s.at.bucket, err)
	case r.Code == "NoSuchKey":
		return fmt.Errorf("%w: %w", ErrNotExist, err)
	case s.wantsTLS(r):
		return fmt.Errorf("the endpoint answered %d, as ports do that speak TLS; if it does, take insecure=true out of the URL: %w", r.StatusCode, err)
	case !isS3Code(r.Code):
		return fmt.Errorf("the endpoint answered %d: %w", r.StatusCode, err)
	}
	return fmt.Errorf("the endpoint answered %d %s: %w", r.StatusCode, r.Code, err)
}
