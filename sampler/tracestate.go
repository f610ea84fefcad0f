package sampler

import "bytes"

// The bounds within which a tracestate is read and written. They are the
// Collector's, including its 31 where the W3C says 32 members, so that what leaves here
// can be read there.
const (
	maxTraceState = 1024
	maxMembers    = 31
	maxKey        = 256
	maxTenant     = 241 // of a key tenant@system
	maxSystem     = 14
	maxValue      = 256 // also of the ot value, where OpenTelemetry says it again
)

// traceState is what a decision needs of a W3C tracestate. It holds offsets into
// the scanned bytes, never the bytes, and is small, as every decision has one.
type traceState struct {
	rv             Randomness
	th             Threshold
	otFrom, otTo   uint16 // the value of the ot member; equal when there is none
	rvFrom         uint16 // where the digits of rv start; 0 when there is none
	others         uint8  // members that are not ot
	problem        problem
	hasTH, hasMore bool // hasMore: ot has sub-keys other than rv and th
}

// problem is why a tracestate cannot be read.
type problem uint8

const (
	readable problem = iota
	tooLong
	tooMany
	badKey
	badValue
	badOT
	badRV
	badTH
)

func (p problem) String() string {
	return [...]string{
		"",
		"it is longer than 1024 bytes",
		"it lists more than 31 members",
		"a key is malformed",
		"a value is malformed or longer than 256 characters",
		"the ot member is not a list of key:value",
		"rv is not 14 hex digits",
		"th is not 1 to 14 hex digits",
	}[p]
}

// scanTraceState reads ts. Anything outside the grammar makes the whole of it
// unreadable: nothing that was said in it is believed, and nothing of it rewritten.
// Where a key is there twice, the last one counts.
func scanTraceState(ts []byte) (s traceState) {
	if len(ts) > maxTraceState {
		s.problem = tooLong
		return s
	}
	for at, listed := 0, 1; at < len(ts); listed++ {
		if listed > maxMembers {
			s.problem = tooMany
			return s
		}
		from, to, next := nextMember(ts, at)
		at = next
		if from == to {
			continue
		}
		eq := bytes.IndexByte(ts[from:to], '=')
		if eq < 0 || !isKey(ts[from:from+eq]) {
			s.problem = badKey
			return s
		}
		key, value := ts[from:from+eq], ts[from+eq+1:to]
		if !isValue(value) {
			s.problem = badValue
			return s
		}
		if !isOT(key) {
			s.others++
		} else if !s.scanOT(ts, from+eq+1, to) {
			return s
		}
	}
	return s
}

// scanOT reads the value of the ot member, ts[from:to].
func (s *traceState) scanOT(ts []byte, from, to int) bool {
	s.otFrom, s.otTo = uint16(from), uint16(to)
	s.rvFrom, s.hasTH, s.hasMore = 0, false, false
	for at := from; ; {
		end := nextSubKey(ts, at, to)
		colon := bytes.IndexByte(ts[at:end], ':')
		if colon < 0 || !isSubKey(ts[at:at+colon]) || !isSubValue(ts[at+colon+1:end]) {
			s.problem = badOT
			return false
		}
		value, ok := ts[at+colon+1:end], true
		switch string(ts[at : at+colon]) {
		case "rv":
			s.rv, ok = parseRV(value)
			s.rvFrom = uint16(at + colon + 1)
			if !ok {
				s.problem = badRV
				return false
			}
		case "th":
			s.th, ok = parseTH(value)
			s.hasTH = true
			if !ok {
				s.problem = badTH
				return false
			}
		default:
			s.hasMore = true
		}
		if end == to {
			return true
		}
		at = end + 1
	}
}

// nextMember is the list member that starts at ts[at:], without the blanks
// around it, and where the one after it starts.
func nextMember(ts []byte, at int) (from, to, next int) {
	from, to, next = at, len(ts), len(ts)
	if comma := bytes.IndexByte(ts[at:], ','); comma >= 0 {
		to = at + comma
		next = to + 1
	}
	for from < to && isBlank(ts[from]) {
		from++
	}
	for from < to && isBlank(ts[to-1]) {
		to--
	}
	return from, to, next
}

// nextSubKey is where the sub-key that starts at ts[at:to] ends.
func nextSubKey(ts []byte, at, to int) int {
	if semicolon := bytes.IndexByte(ts[at:to], ';'); semicolon >= 0 {
		return at + semicolon
	}
	return to
}

// appendTo appends ts with its th replaced by th, or without one for Never:
// the ot member first, as the W3C wants of a modified one, with rv, th and the
// other sub-keys in the order they had; then the other members in theirs.
// This is the order that the Collector writes.
func (s *traceState) appendTo(dst, ts []byte, th Threshold) []byte {
	start := len(dst)
	if s.rvFrom > 0 || s.hasMore || th < Never {
		dst = append(dst, "ot="...)
		dst = s.appendOT(dst, ts, th)
	}
	for at := 0; at < len(ts); {
		from, to, next := nextMember(ts, at)
		at = next
		if from == to || bytes.HasPrefix(ts[from:to], []byte("ot=")) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, ts[from:to]...)
	}
	return dst
}

func (s *traceState) appendOT(dst, ts []byte, th Threshold) []byte {
	start := len(dst)
	if s.rvFrom > 0 {
		dst = append(dst, "rv:"...)
		dst = append(dst, ts[s.rvFrom:s.rvFrom+hexDigits]...)
	}
	if th < Never {
		if len(dst) > start {
			dst = append(dst, ';')
		}
		dst = append(dst, "th:"...)
		dst = th.AppendTH(dst)
	}
	if !s.hasMore {
		return dst
	}
	for at, to := int(s.otFrom), int(s.otTo); at < to; {
		end := nextSubKey(ts, at, to)
		sub := ts[at:end]
		at = end + 1
		if bytes.HasPrefix(sub, []byte("rv:")) || bytes.HasPrefix(sub, []byte("th:")) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ';')
		}
		dst = append(dst, sub...)
	}
	return dst
}

// fits says whether ts with th stays within the bounds.
func (s *traceState) fits(ts []byte, th Threshold) bool {
	if s.others >= maxMembers {
		return false
	}
	// What th can add at most; nearly always the exact length need not be known.
	const most = len("ot=;th:,") + hexDigits
	if len(ts)+most <= maxTraceState && int(s.otTo-s.otFrom)+most <= maxValue {
		return true
	}
	var room [maxTraceState + most]byte
	return len(s.appendTo(room[:0], ts, th)) <= maxTraceState && len(s.appendOT(room[:0], ts, th)) <= maxValue
}

func isOT(key []byte) bool { return len(key) == 2 && key[0] == 'o' && key[1] == 't' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isKeyByte(c byte) bool {
	return isLower(c) || isDigit(c) || c == '_' || c == '-' || c == '*' || c == '/'
}

// isKey: simple-key, or tenant-id@system-id.
func isKey(key []byte) bool {
	if len(key) == 0 || len(key) > maxKey {
		return false
	}
	system := key
	if at := bytes.IndexByte(key, '@'); at >= 0 {
		tenant := key[:at]
		system = key[at+1:]
		if len(tenant) == 0 || len(tenant) > maxTenant || !isLower(tenant[0]) && !isDigit(tenant[0]) || len(system) > maxSystem {
			return false
		}
		for _, c := range tenant[1:] {
			if !isKeyByte(c) {
				return false
			}
		}
	}
	if len(system) == 0 || !isLower(system[0]) {
		return false
	}
	for _, c := range system[1:] {
		if !isKeyByte(c) {
			return false
		}
	}
	return true
}

// isValue: printable ASCII but comma and equals sign. Blanks at its end are
// no part of it.
func isValue(value []byte) bool {
	if len(value) == 0 || len(value) > maxValue {
		return false
	}
	for _, c := range value {
		if c < ' ' || c > '~' || c == '=' || c == ',' {
			return false
		}
	}
	return true
}

func isSubKey(key []byte) bool {
	if len(key) == 0 || !isLower(key[0]) {
		return false
	}
	for _, c := range key[1:] {
		if !isLower(c) && !isDigit(c) {
			return false
		}
	}
	return true
}

func isSubValue(value []byte) bool {
	for _, c := range value {
		if !isLower(c) && !isDigit(c) && !('A' <= c && c <= 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
