package nomad

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// Access says how to reach Nomad. What is empty is taken from the NOMAD_*
// variables of Nomad's own command line.
type Access struct {
	Address, Region, Namespace, Token string

	CACert, CAPath, ClientCert, ClientKey, TLSServerName string
	TLSSkipVerify                                        bool
}

// Connect makes a client; nothing is sent yet.
func (a Access) Connect() (*api.Client, error) {
	conf := api.DefaultConfig()
	conf.Address = cmp.Or(a.Address, conf.Address)
	conf.Region = cmp.Or(a.Region, conf.Region)
	conf.Namespace = cmp.Or(a.Namespace, conf.Namespace)
	conf.SecretID = cmp.Or(a.Token, conf.SecretID)
	if err := checkAddress(conf.Address); err != nil {
		return nil, fmt.Errorf("reach Nomad at %s: %w", withoutUser(conf.Address), err)
	}
	tls := conf.TLSConfig
	tls.CACert = cmp.Or(a.CACert, tls.CACert)
	tls.CAPath = cmp.Or(a.CAPath, tls.CAPath)
	tls.ClientCert = cmp.Or(a.ClientCert, tls.ClientCert)
	tls.ClientKey = cmp.Or(a.ClientKey, tls.ClientKey)
	tls.TLSServerName = cmp.Or(a.TLSServerName, tls.TLSServerName)
	tls.Insecure = tls.Insecure || a.TLSSkipVerify
	client, err := api.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("reach Nomad at %s: %w", withoutUser(conf.Address), err)
	}
	return client, nil
}

// checkAddress refuses what the client would take and ask something else for:
// it leaves out a path without a word. The address may have a password in it,
// which no error repeats.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" && u.Scheme != "unix":
		return errors.New("the address (--address, NOMAD_ADDR, key nomad.address) is not a URL such as http://127.0.0.1:4646")
	case u.Scheme == "unix":
		return nil
	case strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("the address has the path %s, under which the API cannot be asked; "+
			"give the address of an agent, or of a proxy that passes on /v1", u.Path)
	}
	return nil
}

// maxSocketPath is what the kernel takes as the path of a socket, without its final zero.
const maxSocketPath = 107

// ErrNoTask means that no task API was found.
var ErrNoTask = errors.New("this is not a task of Nomad with a task API, and no address of Nomad is set")

// InTask fills in the address for a process that runs as a task: an address
// that is set by a person, else the task API, a socket that is always
// authenticated and works without any address or certificate.
func (a Access) InTask() (Access, error) {
	if a.Address != "" || os.Getenv("NOMAD_ADDR") != "" {
		return a, nil
	}
	dir := os.Getenv("NOMAD_SECRETS_DIR")
	if dir == "" {
		return a, ErrNoTask
	}
	socket := filepath.Join(dir, "api.sock")
	if _, err := os.Stat(socket); err != nil {
		return a, fmt.Errorf("find the task API: %w", err)
	}
	if len(socket) > maxSocketPath {
		return a, fmt.Errorf("the task API's socket has a path of %d bytes, and the kernel takes %d; set Nomad's data_dir to a shorter path, or nomad.address: %s", len(socket), maxSocketPath, socket)
	}
	a.Address = "unix://" + socket
	return a, nil
}

// Readable says what an error of Nomad's API means and what to do about it.
func Readable(err error) error {
	if err == nil {
		return nil
	}
	var answer api.UnexpectedResponseError
	if !errors.As(err, &answer) {
		var other *url.Error
		if errors.As(err, &other) { // it was not answered at all
			return err
		}
		return cmp.Or(notDecoded(err), err)
	}
	body := firstWords(answer.Body())
	switch {
	case answer.StatusCode() == http.StatusForbidden:
		return fmt.Errorf("refused by Nomad (403 %s): the token (NOMAD_TOKEN, --token) is unknown or lacks a right; `appliance nomad policy --for operator` prints what is needed", body)
	case answer.HasStatusCode():
		return fmt.Errorf("answered %d by Nomad: %s", answer.StatusCode(), body)
	}
	return err
}

// elsewhere adds to an error how to name another address, where nobody answers at
// the one that was asked.
func elsewhere(err error) error {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%w; name the address of Nomad with --address or NOMAD_ADDR", err)
	}
	return err
}

// firstWords is the beginning of what a server or a proxy says, in one line.
func firstWords(body string) string {
	const most = 300
	text := strings.Join(strings.Fields(body), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

func statusOf(err error) int {
	var answer api.UnexpectedResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode()
	}
	return 0
}
