package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/content"
)

// Ingest sends files of OTLP to an endpoint of the form http://host:port, with
// their times moved by seconds.
func Ingest(ctx context.Context, endpoint string, by int64, files ...string) error {
	for _, f := range files {
		if err := ingest(ctx, endpoint, by, f); err != nil {
			return fmt.Errorf("send %s: %w", f, err)
		}
	}
	return nil
}

func ingest(ctx context.Context, endpoint string, by int64, file string) error {
	data, err := content.File(file)
	if err != nil {
		return err
	}
	if by != 0 {
		td, err := content.Decode(data)
		if err != nil {
			return err
		}
		shiftSpans(td, by)
		if data, err = proto.Marshal(td); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(
		ctx, http.MethodPost, endpoint+"/v1/traces", bytes.NewReader(data),
	)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || len(bytes.TrimSpace(body)) > 2 { // {} or nothing
		return fmt.Errorf("it is answered %s: %.200q", resp.Status, body)
	}
	return nil
}
