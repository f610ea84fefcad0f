package serve

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/config"
	"appliance/sampler"
)

// reloading is an appliance that has a sampler and a configuration file, and what it logs.
func reloading(t *testing.T, base string) (a *appliance, write func(string), log *bytes.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "appliance.yaml")
	write = func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (config.Loaded, error) {
		return config.Load(config.Sources{File: file, Getenv: func(string) (string, bool) { return "", false }})
	}
	write(base)
	conf, err := load()
	if err != nil {
		t.Fatal(err)
	}
	sc, _, err := SamplerConfig(conf)
	if err != nil {
		t.Fatal(err)
	}
	log = &bytes.Buffer{}
	a = &appliance{conf: conf, reload: load, logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}))}
	if a.sampler, err = sampler.New(sc); err != nil {
		t.Fatal(err)
	}
	a.pressure.configured, a.pressure.relief = sc, reliefConfig(conf)
	return a, write, log
}

// TestReloadSaysWhatItDid changes a configuration under a running sampler, and
// holds what is taken over and what is said.
func TestReloadSaysWhatItDid(t *testing.T) {
	const base = "forwarder: {tempo_url: 'http://u:old@h'}\n"
	a, write, log := reloading(t, base)
	const restart = `level=WARN msg="keys of the configuration differ from what runs; they need a restart" keys=`
	for _, c := range []struct {
		name, yaml  string
		asked       slog.Level
		want        string
		probability float64
		relief      float64
	}{
		{"touched", base + "# a comment\n", slog.LevelDebug, "", 1, 0},
		{"asked for", base, slog.LevelInfo, `level=INFO msg="configuration read again; nothing differs from what runs"` + "\n", 1, 0},
		{"another key", base + "http: {listen: ':1'}\n", slog.LevelDebug, restart + "http.listen\n", 1, 0},
		{"a password", "forwarder: {tempo_url: 'http://u:new@h'}\n", slog.LevelDebug, restart + "forwarder.tempo_url\n", 1, 0},
		{"the sampler", base + "sampler: {probability: 0.5}\n", slog.LevelDebug, `level=INFO msg="sampler configuration taken over" sampling="50 % of traces"` + "\n", 0.5, 0},
		{"both", base + "sampler: {pressure_spans_per_second: 7}\nlog: {level: warn}\nhttp: {listen: ':1'}\n", slog.LevelDebug,
			`level=INFO msg="sampler configuration taken over" sampling="every trace"` + "\n" + restart + "\"http.listen log.level\"\n", 1, 7},
		{"a mistake", "sampler: {probability: 2}\n", slog.LevelDebug,
			`level=ERROR msg="configuration not taken over; the last good one stays" err="` + a.conf.File + `:1:24: sampler.probability: 2 is not between 0 and 1; for 2 % write 0.02"` + "\n", 1, 7},
	} {
		write(c.yaml)
		log.Reset()
		a.reloadConfig(c.asked)
		if log.String() != c.want {
			t.Errorf("%s: said\n%swant\n%s", c.name, log.String(), c.want)
		}
		if got := a.sampler.Config().Probability; got != c.probability {
			t.Errorf("%s: the probability is %v, want %v", c.name, got, c.probability)
		}
		if got := a.pressure.relief.target; got != c.relief {
			t.Errorf("%s: the target under pressure is %v, want %v", c.name, got, c.relief)
		}
	}
}

// A signal after an edit is answered once, and so is an edit without a signal.
func TestOneChangeIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, write, log := reloading(t, "sampler: {probability: 1}\n")
		ctx, cancel := context.WithCancel(t.Context())
		hup, tick := make(chan os.Signal), make(chan time.Time)
		go a.followConfig(ctx, hup, tick)
		synctest.Wait() // it has looked at the file
		write("sampler: {probability: 0.25}\n")
		hup <- syscall.SIGHUP
		tick <- time.Time{}
		synctest.Wait()
		write("sampler: {probability: 0.125}\n")
		tick <- time.Time{}
		tick <- time.Time{}
		cancel()
		synctest.Wait()
		const said = `level=INFO msg="sampler configuration taken over" sampling=`
		if want := said + "\"25 % of traces\"\n" + said + "\"12.5 % of traces\"\n"; log.String() != want {
			t.Errorf("said\n%swant\n%s", log.String(), want)
		}
	})
}

// A file that was read because of a signal is not read again because it has changed.
func TestFileWatchTellsOfAChangeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	w := watchFile(path)
	if w.changed() {
		t.Error("a file that is not there has changed")
	}
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !w.changed() || w.changed() {
		t.Error("a new file is told of not once")
	}
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !w.changed() || w.changed() {
		t.Error("another time is told of not once")
	}
	if none := watchFile(""); none.changed() {
		t.Error("no file has changed")
	}
}

func TestReliefBeginsAndEnds(t *testing.T) {
	r := relief{threshold: 0.5, target: 10}
	for _, c := range []struct {
		relief relief
		on     bool
		fill   float64
		want   bool
	}{
		{r, false, 0.5, false}, {r, false, 0.51, true}, {r, true, 0.46, true}, {r, true, 0.44, false},
		// switched off meanwhile
		{relief{threshold: 0.5}, false, 0.9, false}, {relief{threshold: 0.5}, true, 0.9, false},
	} {
		if got := c.relief.wanted(c.on, c.fill); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
