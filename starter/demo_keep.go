package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// saveMarkdown keeps the postmortem as a file, for when the gateway is gone;
// it answers the file's path.
func (t *story) saveMarkdown(dir string) string {
	path := filepath.Join(dir, "postmortem.md")
	for name, to := range map[string]string{"postmortems/" + t.incident + ".md": path, "postmortems/" + t.incident: filepath.Join(dir, "postmortem.html")} {
		if text, ok := t.fetch(t.h.GatewayURL + "/" + name); ok {
			_ = os.WriteFile(to, text, 0o600)
		}
	}
	return path
}

func (t *story) fetch(url string) ([]byte, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return text, err == nil && resp.StatusCode == http.StatusOK
}
