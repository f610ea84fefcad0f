package tempo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"appliance/internal/readapi"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
)

// get asks Tempo and reads its answer into a message. path is escaped. An
// answer other than 200 is a *refusal.
func (e *Engine) get(
	ctx context.Context, tenant, path string, q url.Values, into proto.Message,
) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askPatience)
		defer cancel()
	}
	req, err := e.request(ctx, tenant, path, q)
	if err != nil {
		return unavailable(err)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return notAnswered(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return &refusal{path: path, status: resp.StatusCode, text: strings.TrimSpace(string(text))}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, e.maxAnswer+1))
	if err != nil {
		return notAnswered(ctx, fmt.Errorf("read its answer: %w", err))
	}
	if int64(len(body)) > e.maxAnswer {
		return &readapi.BadRequest{Why: fmt.Sprintf(
			"Tempo's answer is larger than %d bytes; ask for less", e.maxAnswer)}
	}
	if err := decode(resp.Header.Get("Content-Type"), body, into); err != nil {
		return unavailable(err)
	}
	return nil
}

func (e *Engine) request(
	ctx context.Context, tenant, path string, q url.Values,
) (*http.Request, error) {
	base, err := e.url()
	if err != nil {
		return nil, err
	}
	under, err := url.Parse(strings.TrimSuffix(base.EscapedPath(), "/") + path)
	if err != nil {
		return nil, err
	}
	target := url.URL{
		Scheme: base.Scheme, Host: base.Host, Path: under.Path, RawPath: under.RawPath,
		RawQuery: q.Encode(),
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if base.User != nil {
		password, _ := base.User.Password()
		req.SetBasicAuth(base.User.Username(), password)
	}
	if tenant != "" && tenant != readapi.SingleTenant {
		req.Header.Set("X-Scope-OrgID", tenant)
	}
	req.Header.Set("Accept", protobufType)
	req.Header.Set("User-Agent", "appliance")
	return req, nil
}

const protobufType = "application/protobuf"

// decode reads an answer in protobuf, where Tempo has it, or in JSON. A field
// that only a newer Tempo has is left out.
func decode(contentType string, body []byte, into proto.Message) error {
	media, _, _ := mime.ParseMediaType(contentType)
	var err error
	switch trimmed := bytes.TrimSpace(body); {
	case media == protobufType:
		err = proto.Unmarshal(body, into)
	case len(trimmed) > 0 && trimmed[0] == '{' && listsNull(trimmed):
		err = errors.New("a list in it has null")
	case len(trimmed) > 0 && trimmed[0] == '{':
		u := jsonpb.Unmarshaler{AllowUnknownFields: true}
		err = u.Unmarshal(bytes.NewReader(body), into)
	default:
		return fmt.Errorf("what answers is not a Tempo: %d bytes of %q", len(body),
			cmp.Or(media, "no content type"))
	}
	if err != nil {
		return fmt.Errorf("read its answer of %d bytes: %w", len(body), err)
	}
	return nil
}

// listsNull says whether a list has a null, which jsonpb makes a message that is not
// there.
func listsNull(body []byte) bool {
	if !bytes.Contains(body, []byte("null")) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	var lists []bool // of what is open, whether it is a list
	for {
		token, err := d.Token()
		if err != nil {
			return false // at the end, and where jsonpb says what is wrong
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			lists = append(lists, token == json.Delim('['))
		case json.Delim(']'), json.Delim('}'):
			lists = lists[:len(lists)-1]
		case nil:
			if len(lists) > 0 && lists[len(lists)-1] {
				return true
			}
		}
	}
}

// maxRefusal is how many bytes of the text of a refusal are shown.
const maxRefusal = 1000

// refusal is an answer that has none of what was asked for.
type refusal struct {
	path   string
	status int
	text   string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%d %s to %s: %s", r.status, http.StatusText(r.status), r.path,
		cmp.Or(r.text, "it does not say why"))
}

// judge tells a question that Tempo refuses from a Tempo that does not answer.
func judge(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		http.StatusRequestURITooLong:
		return &readapi.BadRequest{Why: cmp.Or(r.text, r.Error())}
	case http.StatusNotFound:
		return &readapi.BadRequest{Why: "Tempo does not have this: it answers " + r.Error()}
	}
	return unavailable(r)
}

// unavailable says that there is no answer now.
func unavailable(why error) error {
	return fmt.Errorf("%w: Tempo: %w", readapi.ErrUnavailable, why)
}

// notAnswered is the error of a request that ended without an answer.
func notAnswered(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("ask Tempo: %w", ctx.Err())
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // its text has the whole query
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errors.New("it has not answered in time")
	}
	return unavailable(err)
}

// partial is what Tempo says of an answer that is not complete.
func partial(message string) readapi.Missing {
	return readapi.Missing{"Tempo: " + cmp.Or(message, "the answer is partial")}
}
