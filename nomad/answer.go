package nomad

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// notNomadError says that whatever answers is not Nomad: a proxy, a page to
// sign in on, another service.
type notNomadError struct{ what string }

func (e *notNomadError) Error() string {
	return "the answer is not one of Nomad's API (" + e.what + "); " +
		"check the address (--address, NOMAD_ADDR, key nomad.address), and whether a proxy in between wants a password or sends another page"
}

// answered is what went wrong with a request: the error of sending it, or that
// its answer v is not one of Nomad's. The client takes any JSON for an answer,
// and what that lacks is nil, so v is checked before it is used.
func answered(v any, err error) error {
	if err == nil {
		err = complete(v)
	}
	return Readable(err)
}

// complete is a notNomadError where v has a list or map with nothing in one of
// its places, which Nomad never sends.
func complete(v any) error {
	if at := missing(reflect.ValueOf(v)); at != "" {
		return &notNomadError{"nothing at " + strings.TrimPrefix(at, ".")}
	}
	return nil
}

// missing is the place of a nil element, "" where there is none.
func missing(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		return missing(v.Elem()) // a field that is not set is no fault
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if at := missing(v.Field(i)); at != "" {
					return "." + f.Name + at
				}
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if at := missingElement(v.Index(i)); at != "" {
				return fmt.Sprintf("[%d]%s", i, strings.TrimPrefix(at, "!"))
			}
		}
	case reflect.Map:
		for key, element := range v.Seq2() {
			if at := missingElement(element); at != "" {
				return fmt.Sprintf("[%q]%s", fmt.Sprint(key), strings.TrimPrefix(at, "!"))
			}
		}
	}
	return ""
}

// missingElement is "!" for an element that is nil itself.
func missingElement(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return "!"
	}
	return missing(v)
}

// checkJob is a notNomadError unless job has what Nomad says of each job.
func checkJob(job *api.Job, id string) error {
	if err := complete(job); err != nil {
		return err
	}
	switch {
	case job.ID == nil || *job.ID != id:
		return &notNomadError{"it is not job " + id}
	case job.Namespace == nil, job.Status == nil, job.Version == nil:
		return &notNomadError{"it lacks the job's Namespace, Status or Version"}
	}
	for i, g := range job.TaskGroups {
		if g.Name == nil {
			return &notNomadError{fmt.Sprintf("nothing at TaskGroups[%d].Name", i)}
		}
	}
	return nil
}

// notDecoded is a notNomadError where err says that an answer is not the JSON
// that was expected, else nil.
func notDecoded(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax), errors.As(err, &kind):
		return &notNomadError{err.Error()}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err.Error() == emptyAnswer:
		return &notNomadError{"it is empty or cut off"}
	}
	return nil
}

// emptyAnswer is the error of the client's for an answer without a body.
const emptyAnswer = "Got 0 byte response with non-nil decode object"
