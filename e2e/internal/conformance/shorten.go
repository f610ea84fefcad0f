package conformance

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

const (
	longBody   = 12 << 10 // bytes beyond which a body is shortened
	keptValues = 60       // of a list of tags or values
	keptParts  = 6        // of a list of traces or series
	keptBytes  = 6 << 10  // of such a list
	andMore    = "and more: "
)

// shorten makes the elements of a long body names with hashes, behind the first
// few, as the corpus has them.
func shorten(body any) any {
	o, ok := body.(object)
	if !ok || len(encode(body)) <= longBody {
		return body
	}
	for _, field := range []string{"tagValues", "tagNames"} {
		l := list(o[field])
		if len(l) <= keptValues+1 {
			continue
		}
		if last, _ := l[len(l)-1].(string); !strings.HasPrefix(last, andMore) {
			rest := fmt.Sprintf(
				"%s%d, #%s", andMore, len(l)-keptValues, hashOf(encode(l[keptValues:])),
			)
			o[field] = append(l[:keptValues:keptValues], rest[:40])
		}
	}
	for field, name := range map[string]string{"traces": "traceID", "series": "promLabels"} {
		l := list(o[field])
		size := 0
		for i := range l {
			whole := encode(l[i])
			size += len(whole)
			if _, done := l[i].(string); done || i < keptParts || size < keptBytes {
				continue
			}
			l[i] = fmt.Sprintf("%s #%s", text(l[i], name), hashOf(whole)[:12])
		}
	}
	return body
}

func hashOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
