package config

import (
	"strings"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "30d": 30 * day, "2w": 14 * day, "0d": 0, "-1d": -day,
		"106751d": 106751 * day, "15250w": 15250 * 7 * day, "2562047h": 2562047 * time.Hour, "-106751d": -106751 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"106752d": "the greatest is 106751d", "213504d": "the greatest is 106751d", "99999999999999999999d": "the greatest is 106751d",
		"15251w": "the greatest is 15250w", "2562048h": "the greatest is 2562047h", "-213504d": "the greatest is 106751d",
		"1.5d": "is not a duration", "d": "is not a duration", "": "is not a duration", "30": "is not a duration", "1y": "is not a duration",
	} {
		if got, err := ParseDuration(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want: %s", text, got, err, want)
		}
	}
}
