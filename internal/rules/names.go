package rules

import (
	"bytes"
	"strings"
)

// secretNames are names whose values are secrets, in lower case and with _ for -
// and for nothing: of attributes, headers, parameters of URLs, columns.
var secretNames = map[string]bool{
	"authorization": true, "proxy_authorization": true, "cookie": true, "set_cookie": true,
	"token": true, "access_token": true, "refresh_token": true, "id_token": true, "auth_token": true, "bearer_token": true,
	"session_token": true, "csrf_token": true, "xsrf_token": true, "security_token": true, "jwt": true,
	"password": true, "passwd": true, "pwd": true, "passphrase": true, "passcode": true,
	"secret": true, "client_secret": true, "secret_key": true, "private_key": true, "shared_secret": true, "signing_key": true,
	"api_key": true, "apikey": true, "access_key": true, "secret_access_key": true, "account_key": true,
	"credential": true, "credentials": true, "connection_string": true,
}

// secretEndings are what longer names of secrets end with.
var secretEndings = []string{"_token", "_password", "_passwd", "_secret", "_secret_key", "_api_key", "_apikey", "_private_key", "_access_key", "_authorization", "_cookie"}

// secretParameters are secrets in the query of a URL, where a common word says
// more than elsewhere.
var secretParameters = map[string]bool{
	"code": true, "key": true, "sig": true, "signature": true, "auth": true, "session": true, "sessionid": true, "sid": true, "state": true,
	"x_amz_signature": true, "x_amz_credential": true, "x_goog_signature": true, "x_goog_credential": true, "hmac": true, "otp": true, "pass": true,
}

// maxName is how many bytes of a name count, from its end.
const maxName = 64

// secretTails and assignedTails know the last letters of names whose values are
// secrets: of attributes, and before = and : in text, parameters included.
var (
	secretTails   = tailsOf(secretNames).add(secretEndings...)
	assignedTails = tailsOf(secretNames, secretParameters).add(secretEndings...)
)

// isSecret says whether the value of an attribute of this key is a secret. Of a
// key with dots the last part counts, as in http.request.header.cookie.
func isSecret(key []byte) bool {
	return secretTails.of(key) && isSecretName(key)
}

func isSecretName(key []byte) bool {
	name := key[bytes.LastIndexByte(key, '.')+1:]
	name = name[max(0, len(name)-maxName):]
	if !secretTails.fits(name) {
		return false
	}
	var buffer [2 * maxName]byte
	return secretName(normal(buffer[:0], name))
}

func secretName(name []byte) bool {
	if secretNames[string(name)] {
		return true
	}
	for _, ending := range secretEndings {
		if strings.HasSuffix(string(name), ending) {
			return true
		}
	}
	return false
}

// normal writes a name in lower case, with _ for - and between the words of
// camelCase. It takes up to twice the room.
func normal(dst, name []byte) []byte {
	for i, c := range name {
		switch {
		case c == '-':
			c = '_'
		case c >= 'A' && c <= 'Z':
			if i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
				dst = append(dst, '_')
			}
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// tails says at a glance of nearly every name that it is none of a list, by its
// last three letters, in any case. By these it has the length of the longest name
// of the list; anyLength, where longer ones count too; 0 for none.
type tails [1 << 15]uint8

const (
	tailSize  = 3 // no name is shorter, and none has a _ among these
	anyLength = 255
)

func tailsOf(lists ...map[string]bool) *tails {
	t := new(tails)
	for _, list := range lists {
		for name := range list {
			at := tailIndex([]byte(name), len(name))
			t[at] = max(t[at], uint8(len(name)))
		}
	}
	return t
}

// add enters what names of any length end with.
func (t *tails) add(endings ...string) *tails {
	for _, e := range endings {
		t[tailIndex([]byte(e), len(e))] = anyLength
	}
	return t
}

// tailIndex is the place of the three bytes before end, which must be there. It
// does not tell capitals from other letters.
func tailIndex(b []byte, end int) uint16 {
	last := b[end-tailSize : end : end]
	return uint16(last[0]&31)<<10 | uint16(last[1]&31)<<5 | uint16(last[2]&31)
}

func (t *tails) of(name []byte) bool {
	return len(name) >= tailSize && t[tailIndex(name, len(name))] != 0
}

// fits says more, of a whole name: names in camelCase are shorter than their
// normal form, and never longer.
func (t *tails) fits(name []byte) bool {
	return t.of(name) && len(name) <= int(t[tailIndex(name, len(name))])
}
