package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	// patience is how long a client waits until its answer begins; Grafana gives up after 30 s.
	patience = 25 * time.Second
	// reserve is what is left of that when one of the two has taken too long: to read the other's answer, and to ask the
	// archive for what Tempo did not answer.
	reserve = 3 * time.Second
	// maxMerged is how much of an answer of Tempo's is taken into memory to merge it with the archive's, in bytes.
	maxMerged = 32 << 20

	// PartialHeader is on an answer that lacks something, and says what.
	PartialHeader = "Appliance-Partial"
)

var errLate = fmt.Errorf("no answer within %s", patience-reserve)

// A question is asked of Tempo and the archive at the same time. Where the archive has nothing to add, Tempo's answer
// goes to the client as it is.
type question[T any] struct {
	archived func(ctx context.Context, skip func(block string) bool) (T, []error, error)
	// nothing says that the archive's answer adds nothing to any other.
	nothing func(T) bool
	decode  func(contentType string, body []byte) (T, error)
	// write answers with what the parts hold together, Tempo's first; there is at least one. unasked says that one of
	// the two gave no answer.
	write func(w http.ResponseWriter, parts []T, missing []error, unasked bool)
	// absent says that a 404 of Tempo's is an answer: it has none of what was asked for.
	absent bool
	// ours says that a question that Tempo refuses may still be one for the archive, which is asked for all blocks at once.
	ours bool
	// asked has the times of a question that Tempo takes for one about the latest when it names none; nil for others.
	asked period
}

// period is what a request with a time range has, in Unix seconds.
type period interface {
	GetStart() uint32
	GetEnd() uint32
}

// answer asks both and writes the answer.
func answer[T any](h *Handler, w http.ResponseWriter, r *http.Request, tenant string, q question[T]) {
	began := time.Now()
	archiveCtx, giveUp := context.WithTimeout(r.Context(), patience-reserve)
	defer giveUp()
	if err := takeTurn(archiveCtx); err != nil {
		w.Header().Set("Retry-After", "2")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	held := h.heldBy(tenant, q.asked)
	type reply struct {
		resp *http.Response
		err  error
	}
	live := make(chan reply, 1)
	go func() {
		late := time.AfterFunc(time.Until(began.Add(patience-reserve)), func() { cancel(errLate) })
		defer late.Stop()
		resp, err := h.askTempo(r.WithContext(ctx))
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		live <- reply{resp, err}
	}()
	archived, missing, archiveErr := q.archived(archiveCtx, held)
	tempo := <-live
	if r.Context().Err() != nil {
		return // the client has gone
	}
	if tempo.err == nil {
		defer tempo.resp.Body.Close()
		tempo.err = down(tempo.resp)
	}
	if tempo.err == nil && tempo.resp.StatusCode != http.StatusOK && !(q.absent && tempo.resp.StatusCode == http.StatusNotFound) {
		if !q.ours || archiveErr != nil {
			endTurn(ctx)
			passOn(w, tempo.resp)
			return
		}
		tempo.err = refusal(tempo.resp)
	}
	var parts []T
	switch {
	case tempo.err == nil && archiveErr == nil && len(missing) == 0 && q.nothing(archived):
		endTurn(ctx)
		passOn(w, tempo.resp)
		return
	case tempo.err == nil:
		late := time.AfterFunc(time.Until(began.Add(patience)), func() { cancel(errLate) })
		defer late.Stop()
		part, err := decodeBody(tempo.resp, q.decode)
		if errors.Is(err, errTooLarge) {
			late.Stop()
			partial(w, fmt.Errorf("tempo's answer is larger than %d bytes and was not merged with the archive's", maxMerged))
			passOn(w, tempo.resp)
			return
		}
		if err != nil {
			tempo.err = err
			if ctx.Err() != nil {
				tempo.err = fmt.Errorf("read tempo's answer: %w", context.Cause(ctx))
			}
			break
		}
		parts = append(parts, part)
	}
	if tempo.err != nil {
		if archiveErr != nil {
			h.noAnswer(w, r, tempo.err, archiveErr)
			return
		}
		h.logger.Warn("read API answers from the archive alone, since tempo does not", "path", r.URL.Path, "err", tempo.err)
		if held != nil && !q.ours { // nobody has answered for those
			parts = append(parts, archived)
			rest, giveUp := context.WithDeadline(r.Context(), began.Add(patience))
			defer giveUp()
			var unread []error
			archived, unread, archiveErr = q.archived(rest, func(block string) bool { return !held(block) })
			missing = append(missing, unread...)
		}
		missing = append(missing, fmt.Errorf("tempo does not answer: %w", tempo.err))
	}
	if archiveErr != nil {
		h.logger.Warn("read API answers without the archive", "path", r.URL.Path, "err", archiveErr)
		missing = append(missing, fmt.Errorf("the archive does not answer: %w", archiveErr))
	} else {
		parts = append(parts, archived)
	}
	partial(w, missing...)
	q.write(w, parts, missing, tempo.err != nil || archiveErr != nil)
}

// heldBy says which blocks Tempo itself answers for, as of before it is asked; nil where that is not known. Without a time
// range Tempo looks only into what its ingester has, which is next to nothing after it was restarted: it answers for no
// block then.
func (h *Handler) heldBy(tenant string, asked period) func(string) bool {
	if h.held == nil || asked != nil && (asked.GetStart() == 0 || asked.GetEnd() == 0) {
		return nil
	}
	return h.held(tenant)
}

// askTempo sends the request on. The answer's body is the caller's to close.
func (h *Handler) askTempo(r *http.Request) (*http.Response, error) {
	b, err := h.backend()
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Body, out.ContentLength, out.RequestURI, out.Host = nil, 0, "", ""
	for _, name := range hopByHop {
		out.Header.Del(name)
	}
	h.direct(out, r, b)
	return h.proxy.Transport.RoundTrip(out)
}

// hopByHop are the headers that are between a client and us only.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// down is the error of a Tempo that cannot answer now.
func down(resp *http.Response) error {
	if resp.StatusCode/100 == 5 || resp.StatusCode == http.StatusTooManyRequests {
		return refusal(resp)
	}
	return nil
}

func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
}

// passOn hands Tempo's answer to the client.
func passOn(w http.ResponseWriter, resp *http.Response) {
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	for _, name := range hopByHop {
		w.Header().Del(name)
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

var errTooLarge = errors.New("too large")

// decodeBody reads Tempo's answer. Where that is errTooLarge, the body is as it was.
func decodeBody[T any](resp *http.Response, decode func(string, []byte) (T, error)) (part T, err error) {
	if resp.StatusCode == http.StatusNotFound {
		return part, nil
	}
	if resp.ContentLength > maxMerged {
		return part, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMerged+1))
	if err != nil {
		return part, fmt.Errorf("read tempo's answer: %w", err)
	}
	if len(body) > maxMerged {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(strings.NewReader(string(body)), resp.Body), resp.Body}
		return part, errTooLarge
	}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(string(body)))
		if err != nil {
			return part, fmt.Errorf("read tempo's answer: %w", err)
		}
		if body, err = io.ReadAll(io.LimitReader(z, 4*maxMerged)); err != nil {
			return part, fmt.Errorf("read tempo's answer: %w", err)
		}
	}
	part, err = decode(resp.Header.Get("Content-Type"), body)
	if err != nil {
		return part, fmt.Errorf("understand tempo's answer of %d bytes: %w", len(body), err)
	}
	return part, nil
}

// noAnswer says that neither of the two answers.
func (h *Handler) noAnswer(w http.ResponseWriter, r *http.Request, tempoErr, archiveErr error) {
	var bad interface {
		error
		BadRequest()
	}
	if errors.As(archiveErr, &bad) {
		http.Error(w, bad.Error(), http.StatusBadRequest)
		return
	}
	h.logger.Warn("read API reaches neither tempo nor the archive", "path", r.URL.Path, "err", errors.Join(tempoErr, archiveErr))
	refuse(w, fmt.Errorf("%w; nor does the archive: %w", tempoErr, archiveErr))
}

// partial marks an answer that lacks something.
func partial(w http.ResponseWriter, missing ...error) {
	if len(missing) > 0 {
		w.Header().Set(PartialHeader, inALine(missing))
	}
}

// inALine is what is missing, short enough for a header.
func inALine(missing []error) string {
	const most = 10
	var texts []string
	for _, err := range missing[:min(len(missing), most)] {
		texts = append(texts, strings.Join(strings.Fields(err.Error()), " "))
	}
	if more := len(missing) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.Join(texts, "; "))
}
