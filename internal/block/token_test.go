package block

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestToken(t *testing.T) {
	seen := map[uint64]string{}
	for i := range 200_000 {
		trace, span := fmt.Appendf(nil, "%016d", i/10), fmt.Appendf(nil, "%08d", i%10)
		for kind := range int64(3) {
			token := Token(7, trace, span, kind)
			if other, ok := seen[token]; ok {
				t.Fatalf("%s %s %d has the token of %s", trace, span, kind, other)
			}
			seen[token] = fmt.Sprintf("%s %s %d", trace, span, kind)
		}
	}
	// Digests are stored: this must not change without TokenVersion.
	if got := Token(0, []byte("0123456789abcdef"), []byte("01234567"), 2); TokenVersion != 2 || got != 0x23cbb292580c6ea4 {
		t.Errorf("token %#x", got)
	}
}

// identity is what a token is made of, as words that can be changed bit by bit.
type identity struct {
	trace [2]uint64
	span  uint64
	kind  int64
}

func (i identity) token(seed uint64) uint64 {
	trace := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, i.trace[0]), i.trace[1])
	return Token(seed, trace, binary.BigEndian.AppendUint64(nil, i.span), i.kind)
}

func (i identity) flip(word int, bits uint64) identity {
	switch word {
	case 0, 1:
		i.trace[word] ^= bits
	case 2:
		i.span ^= bits
	default:
		i.kind ^= int64(bits)
	}
	return i
}

// Spans that differ in two places by the same bits must not have one token for
// every seed: a client that knows no seed could then make spans that are taken
// for others.
func TestTokensOfDifferentSpansDiffer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		seed := rng.Uint64()
		was := identity{[2]uint64{rng.Uint64(), rng.Uint64()}, rng.Uint64(), rng.Int64()}
		for one := range 4 {
			for two := range 4 {
				for bit := range 64 {
					now := was.flip(one, 1<<bit).flip(two, 1<<bit|1)
					if now != was && now.token(seed) == was.token(seed) {
						t.Fatalf("bit %d of words %d and %d: %+v and %+v have one token", bit, one, two, was, now)
					}
					now = was.flip(one, 1<<bit).flip(two, 1<<bit)
					if now != was && now.token(seed) == was.token(seed) {
						t.Fatalf("bit %d of words %d and %d: %+v and %+v have one token", bit, one, two, was, now)
					}
				}
			}
		}
	}
}

// Where one identifier ends and the next begins is a part of the identity.
func TestTokensKnowLengths(t *testing.T) {
	const bytes = "\x00\x00\x00\x00\x00\x00\x00\x00abcdefgh\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	seen := map[uint64]string{}
	for n := range len(bytes) + 1 {
		for m := range n + 1 {
			token := Token(1, []byte(bytes[:m]), []byte(bytes[m:n]), 0)
			name := fmt.Sprintf("%q and %q", bytes[:m], bytes[m:n])
			if other, ok := seen[token]; ok {
				t.Errorf("%s have the token of %s", name, other)
			}
			seen[token] = name
		}
	}
}
