package access

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// FileError says which of the files of TLS, tokens and users is of no use, and why.
type FileError struct {
	Key  string // cert_file, key_file, client_ca_file, bearer_token_file or basic_auth_file
	Path string // empty where the file is not what is wrong
	Err  error
}

func (e *FileError) Error() string {
	if e.Path == "" {
		return e.Key + " " + e.Err.Error()
	}
	return fmt.Sprintf("%s %s: %v", e.Key, e.Path, e.Err)
}
func (e *FileError) Unwrap() error { return e.Err }

// maxSecretBytes bounds what is read of such a file: a bundle of all public CAs has
// a quarter of it.
const maxSecretBytes = 1 << 20

// readSecret reads a file that may have been written on Windows.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return nil, openError(err)
	}
	if len(b) > maxSecretBytes {
		return nil, fmt.Errorf("more than %d bytes; is it the right file?", maxSecretBytes)
	}
	return plainText(b)
}

// openError leaves out the path, and says who may not read it.
func openError(err error) error {
	if inPath, ok := errors.AsType[*os.PathError](err); ok {
		err = inPath.Err
	}
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w; let user %d, as which this runs, read it", err, os.Getuid())
	}
	return err
}

// plainText takes off the byte order mark with which editors on Windows begin a
// file.
func plainText(b []byte) ([]byte, error) {
	if bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		return nil, errors.New("it begins with the byte order mark of UTF-16; save it as UTF-8")
	}
	return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), nil
}

// pairOf is the certificate of the two files, or says which of them is at fault.
func (t TLS) pairOf(certPEM, keyPEM []byte) (tls.Certificate, error) {
	if err := wantsPEM(certPEM, "CERTIFICATE"); err != nil {
		return tls.Certificate{}, &FileError{"cert_file", t.CertFile, err}
	}
	if err := wantsPEM(keyPEM, "PRIVATE KEY"); err != nil {
		return tls.Certificate{}, &FileError{"key_file", t.KeyFile, err}
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	switch {
	case err == nil:
		return pair, nil
	case strings.Contains(err.Error(), "does not match"):
		err = fmt.Errorf("not the key of the first certificate in %s; "+
			"put the server's own certificate before those of its CAs, or name its key", t.CertFile)
	case encrypted(keyPEM):
		err = errors.New("the key is encrypted; write it without a passphrase: openssl pkey -in FILE -out FILE.plain")
	}
	return tls.Certificate{}, &FileError{"key_file", t.KeyFile, err}
}

// wantsPEM says what a file has instead of a block whose type ends with kind.
func wantsPEM(text []byte, kind string) error {
	var others []string
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.HasSuffix(block.Type, kind) {
			return nil
		}
		others = append(others, block.Type)
	}
	const der = 0x30 // a SEQUENCE, with which certificates and keys begin
	switch {
	case len(others) > 0:
		return fmt.Errorf("it has no %s but %s; are the files switched?", strings.ToLower(kind), others[0])
	case len(text) > 0 && text[0] == der:
		return errors.New("it is DER, not PEM; convert it: openssl x509, or pkey, -inform DER -in FILE -out FILE.pem")
	}
	return fmt.Errorf("it has no %s in PEM, which begins with -----BEGIN", strings.ToLower(kind))
}

func encrypted(keyPEM []byte) bool {
	return bytes.Contains(keyPEM, []byte("ENCRYPTED"))
}

// outOfDate says of a certificate that clients refuse it now; nil if they do not.
func outOfDate(c *x509.Certificate, now time.Time) error {
	switch {
	case c == nil:
		return nil
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate has expired on %s; clients that verify it do not connect", c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate is valid from %s on, and here it is %s; "+
			"clients that verify it do not connect", c.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}
