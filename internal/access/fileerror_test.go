package access

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

func TestOutOfDate(t *testing.T) {
	now := time.Now()
	for want, c := range map[string]*x509.Certificate{
		"has expired on": {NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)},
		"is valid from":  {NotBefore: now.Add(time.Hour), NotAfter: now.Add(2 * time.Hour)},
		"":               {NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)},
	} {
		err := outOfDate(c, now)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
