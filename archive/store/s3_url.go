package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// s3Location is what an s3 URL says.
type s3Location struct {
	bucket, prefix string // prefix is "" or ends in a slash
	endpoint       string // host or host:port
	region         string // "": asked of the endpoint
	insecure       bool
	pathStyle      string // "", "true" or "false"
}

const awsEndpoint = "s3.amazonaws.com"

// parseS3 reads s3://bucket/prefix?endpoint=...; its errors name the part that is wrong.
func parseS3(u *url.URL) (s3Location, error) {
	l := s3Location{bucket: u.Host, prefix: strings.Trim(u.Path, "/"), endpoint: awsEndpoint}
	switch {
	case u.User != nil:
		return l, errors.New("credentials do not belong in the URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case l.bucket == "":
		return l, errors.New("no bucket; write s3://bucket/prefix?endpoint=host:port")
	case u.Fragment != "":
		return l, fmt.Errorf("part #%s has no meaning", u.Fragment)
	}
	if l.prefix != "" {
		if err := checkName(l.prefix); err != nil {
			return l, err
		}
		l.prefix += "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return l, err
	}
	for key, values := range query {
		value := values[len(values)-1]
		switch key {
		case "endpoint":
			l.endpoint = value
		case "region":
			l.region = value
		case "insecure":
			l.insecure, err = parseBool(key, value)
		case "path_style":
			_, err = parseBool(key, value)
			l.pathStyle = value
		default:
			err = fmt.Errorf("parameter %q is not known; there are endpoint, insecure, path_style and region", key)
		}
		if err != nil {
			return l, err
		}
	}
	if host, ok := strings.CutPrefix(l.endpoint, "http://"); ok {
		l.endpoint, l.insecure = host, true
	}
	l.endpoint = strings.TrimSuffix(strings.TrimPrefix(l.endpoint, "https://"), "/")
	if l.endpoint == "" || strings.ContainsAny(l.endpoint, "/@?") {
		return l, fmt.Errorf("endpoint %q is not host or host:port", l.endpoint)
	}
	if l.region == "" {
		l.region = firstSet("AWS_REGION", "AWS_DEFAULT_REGION")
	}
	return l, nil
}

func parseBool(key, value string) (bool, error) {
	if !slices.Contains([]string{"true", "false"}, value) {
		return false, fmt.Errorf("parameter %s is true or false, not %q", key, value)
	}
	return value == "true", nil
}

func firstSet(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// String is the URL that parses to l.
func (l s3Location) String() string {
	query := url.Values{}
	if l.endpoint != awsEndpoint {
		query.Set("endpoint", l.endpoint)
	}
	if l.region != "" {
		query.Set("region", l.region)
	}
	if l.insecure {
		query.Set("insecure", "true")
	}
	if l.pathStyle != "" {
		query.Set("path_style", l.pathStyle)
	}
	u := url.URL{Scheme: "s3", Host: l.bucket, Path: strings.TrimSuffix("/"+l.prefix, "/"), RawQuery: query.Encode()}
	return u.String()
}
