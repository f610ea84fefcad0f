package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// A Warning names a setting of a Tempo elsewhere that lets it delete what is not archived.
type Warning struct {
	Setting string `json:"setting"` // as in Tempo's configuration
	Value   string `json:"value"`
	Problem string `json:"problem"`
	Change  string `json:"change"` // the line to write instead
}

const (
	askEvery        = 10 * time.Minute
	askTimeout      = 10 * time.Second
	maxConfigBytes  = 8 << 20
	retentionKey    = "compactor.compaction.block_retention"
	compactedKey    = "compactor.compaction.compacted_block_retention"
	minimumLooks    = 10 // in a compacted_block_retention, to have room for failures
	tempoDefaultRet = 14 * 24 * time.Hour
)

// tempoSettings is the part of Tempo's configuration that matters here.
type tempoSettings struct {
	Compactor struct {
		Disabled   bool `yaml:"disabled"`
		Compaction struct {
			BlockRetention          *tempoDuration `yaml:"block_retention"`
			CompactedBlockRetention *tempoDuration `yaml:"compacted_block_retention"`
		} `yaml:"compaction"`
	} `yaml:"compactor"`
}

// tempoDuration is a duration as Tempo prints it, such as 336h0m0s.
type tempoDuration time.Duration

func (d *tempoDuration) UnmarshalYAML(text []byte) error {
	v, err := time.ParseDuration(strings.Trim(strings.TrimSpace(string(text)), `"'`))
	*d = tempoDuration(v)
	return err
}

func (d *tempoDuration) or(standard time.Duration) time.Duration {
	if d == nil {
		return standard
	}
	return time.Duration(*d)
}

// unsafe returns what is wrong with the settings for an archiver that looks at
// each interval, and the time for which Tempo keeps a block that it marked.
func (t tempoSettings) unsafe(interval time.Duration) (warnings []Warning, compacted time.Duration) {
	c := t.Compactor.Compaction
	retention, compacted := c.BlockRetention.or(tempoDefaultRet), c.CompactedBlockRetention.or(defaultCompactedRetention)
	if t.Compactor.Disabled {
		return nil, compacted // it deletes nothing
	}
	if retention <= 0 {
		warnings = append(warnings, Warning{
			Setting: retentionKey, Value: retention.String(), Change: "block_retention: 24h",
			Problem: "0 does not mean for ever: Tempo purges every block at once",
		})
	} else if retention < minimumLooks*interval {
		warnings = append(warnings, Warning{
			Setting: retentionKey, Value: retention.String(), Change: "block_retention: " + (minimumLooks * interval).String(),
			Problem: fmt.Sprintf("Tempo may purge a block soon after it appears; the archiver looks every %s", interval),
		})
	}
	if compacted < minimumLooks*interval {
		warnings = append(warnings, Warning{
			Setting: compactedKey, Value: compacted.String(), Change: "compacted_block_retention: 1h",
			Problem: fmt.Sprintf("Tempo deletes a block that soon after compacting it; the archiver looks every %s", interval),
		})
	}
	return warnings, compacted
}

// CheckTempo reads /status/config of the Tempo at baseURL. It returns the
// settings that endanger the promise for an archiver that looks every interval,
// and for how long this Tempo keeps a block that it compacted.
func CheckTempo(ctx context.Context, baseURL string, interval time.Duration) ([]Warning, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(baseURL, "/")+"/status/config", nil)
	if err != nil {
		return nil, 0, fmt.Errorf("ask Tempo for its configuration: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("ask Tempo for its configuration: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("ask Tempo for its configuration: it answers %s; check tempo.query_url, and what is in front of that Tempo", res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxConfigBytes))
	if err != nil {
		return nil, 0, fmt.Errorf("read Tempo's configuration after %d bytes: %w", len(text), err)
	}
	// Tempo prints the request before the document.
	if _, document, ok := bytes.Cut(text, []byte("---\n")); ok {
		text = document
	}
	var settings tempoSettings
	if err := yaml.Unmarshal(text, &settings); err != nil {
		return nil, 0, fmt.Errorf("parse Tempo's configuration of %d bytes: %w", len(text), err)
	}
	warnings, compacted := settings.unsafe(interval)
	return warnings, compacted, nil
}

// askTempo looks at the settings of the Tempo elsewhere at the start and now
// and then. That it does not answer is no failure: its storage is what matters.
func (a *Archiver) askTempo(ctx context.Context) {
	if a.opt.TempoURL == "" || !a.asked.IsZero() && time.Since(a.asked) < askEvery {
		return
	}
	first := a.asked.IsZero()
	a.asked = time.Now()
	warnings, compacted, err := CheckTempo(ctx, a.opt.TempoURL, a.opt.Interval)
	if err != nil {
		if first && ctx.Err() == nil {
			a.opt.Logger.Warn("could not look at the settings of Tempo", "err", err)
		}
		return
	}
	for _, w := range warnings {
		if first {
			a.opt.Logger.Warn("a setting of Tempo endangers the archive", "setting", w.Setting, "value", w.Value, "problem", w.Problem, "change", w.Change)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Warnings, a.opt.CompactedRetention = warnings, compacted
}
