package labtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vakhta/workflows"
)

// Response is what a door of the gateway answered.
type Response struct {
	Code int
	Body string
}

// Post sends a JSON document to the gateway; a token is sent as a bearer's.
func (l *Lab) Post(t testing.TB, path, token string, document any) Response {
	t.Helper()
	body, isText := document.(string)
	if !isText {
		b, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	return l.request(t, http.MethodPost, path, token, body)
}

// Get reads a page of the gateway.
func (l *Lab) Get(t testing.TB, path string) Response {
	t.Helper()
	return l.request(t, http.MethodGet, path, "", "")
}

// GetWorker reads a page of the worker.
func (l *Lab) GetWorker(t testing.TB, path string) Response {
	t.Helper()
	return requestAt(t, http.MethodGet, l.WorkerURL+path, "", "")
}

func (l *Lab) request(t testing.TB, method, path, token, body string) Response {
	t.Helper()
	return requestAt(t, method, l.GatewayURL+path, token, body)
}

func requestAt(t testing.TB, method, url, token, body string) Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stay.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Response{Code: resp.StatusCode, Body: string(b)}
}

// Run starts a workflow as a person does in the Temporal UI and waits for its end.
func (l *Lab) Run(ctx context.Context, id, workflow string, input any) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	run, err := l.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueRunbooks, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}, workflow, input)
	if err != nil {
		return fmt.Errorf("start %s: %w", workflow, err)
	}
	return run.Get(ctx, nil)
}

// Refusal is the application error that a workflow failed with, nil for any
// other end.
func Refusal(err error) *temporal.ApplicationError {
	var refusal *temporal.ApplicationError
	if errors.As(err, &refusal) {
		return refusal
	}
	return nil
}

// TryPost is Post where no answer may come: the gateway may be dead.
func (l *Lab) TryPost(path, token string, document any) (code int, err error) {
	body, err := json.Marshal(document)
	if err != nil {
		return 0, fmt.Errorf("encode what is posted to %s: %w", path, err)
	}
	req, err := http.NewRequest(http.MethodPost, l.GatewayURL+path, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make a request to %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("post to %s: %w", path, err)
	}
	return resp.StatusCode, resp.Body.Close()
}
