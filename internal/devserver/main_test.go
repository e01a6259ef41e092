package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// asMain makes the test binary behave as the command, so that the tests run real processes without a second link.
const asMain = "VAKHTA_DEVSERVER_TEST_MAIN"

// patience bounds every wait; it is long because builds may run beside the tests.
const patience = time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// server is a running process under test.
type server struct {
	ready
	cmd  *exec.Cmd
	conn *grpc.ClientConn
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asMain+"=1")
	return cmd
}

func start(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{cmd: command(args...)}
	var stderr bytes.Buffer
	s.cmd.Stderr = &stderr
	stdout, err := s.cmd.StdoutPipe()
	must(t, err)
	must(t, s.cmd.Start())
	t.Cleanup(s.kill)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		_ = s.cmd.Wait()
		t.Fatalf("no ready line: %v, stderr: %s", err, &stderr)
	}
	must(t, json.Unmarshal(line, &s.ready))
	s.conn, err = grpc.NewClient(s.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	return s
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keyword(t *testing.T, value any) *commonpb.Payload {
	t.Helper()
	data, err := json.Marshal(value)
	must(t, err)
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data}
}

func TestStateSurvivesKillAndRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db := filepath.Join(t.TempDir(), "state.db")
	first := start(t, "--port", "0", "--ui-port", "-1", "--db", db)
	_, err := workflowservice.NewWorkflowServiceClient(first.conn).StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace: first.Namespace, WorkflowId: "incident/1", RequestId: "1",
		WorkflowType: &commonpb.WorkflowType{Name: "Incident"},
		TaskQueue:    &taskqueuepb.TaskQueue{Name: "runbooks"},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			"VakhtaIncident": keyword(t, "1"), "VakhtaClients": keyword(t, []string{"acme", "globex"}),
		}},
	})
	must(t, err)
	first.kill()

	second := start(t, "--port", "0", "--ui-port", "-1", "--db", db)
	frontend := workflowservice.NewWorkflowServiceClient(second.conn)
	execution := &commonpb.WorkflowExecution{WorkflowId: "incident/1"}
	got, err := frontend.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{Namespace: second.Namespace, Execution: execution})
	must(t, err)
	if status := got.WorkflowExecutionInfo.Status; status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		t.Errorf("after kill and restart the workflow is %v, want running", status)
	}
	_, err = frontend.SignalWorkflowExecution(ctx, &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: second.Namespace, WorkflowExecution: execution, SignalName: "alerts",
	})
	must(t, err)
	err = retry(ctx, func() error { // visibility is written by a task of its own
		found, err := frontend.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: second.Namespace, Query: `VakhtaIncident = "1" AND VakhtaClients IN ("globex")`,
		})
		if err == nil && len(found.Executions) != 1 {
			err = errors.New("not found by its search attributes")
		}
		return err
	})
	must(t, err)
}

func TestSecondProcessOnTheSameFileIsRefused(t *testing.T) {
	db := filepath.Join(t.TempDir(), "state.db")
	first := start(t, "--port", "0", "--ui-port", "-1", "--db", db)
	wantRefusal(t, []string{"--port", "0", "--ui-port", "-1", "--db", db}, db, strconv.Itoa(first.PID), "--db")
}

func TestBusyPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", hostPort(0))
	must(t, err)
	defer l.Close()
	busy := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	t.Run("port", func(t *testing.T) {
		wantRefusal(t, []string{"--port", busy, "--ui-port", "0"}, "port "+busy, "in use", "--port")
	})
	t.Run("ui-port", func(t *testing.T) {
		wantRefusal(t, []string{"--port", "0", "--ui-port", busy}, "port "+busy, "in use", "--ui-port")
	})
}

// wantRefusal runs the command and expects exit code 2, nothing on stdout and every fragment on stderr.
func wantRefusal(t *testing.T, args []string, fragments ...string) {
	t.Helper()
	cmd := command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		t.Errorf("%v: exit code %d, want 2", args, code)
	}
	if stdout.Len() > 0 {
		t.Errorf("%v: printed %q on stdout", args, &stdout)
	}
	for _, f := range fragments {
		if !strings.Contains(stderr.String(), f) {
			t.Errorf("%v: stderr doesn't say %q: %s", args, f, &stderr)
		}
	}
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		says string
	}{
		{"port out of range", []string{"--port", "70000"}, "--port 70000"},
		{"UI port out of range", []string{"--ui-port", "-2"}, "--ui-port -2"},
		{"one port for both", []string{"--port", "7400", "--ui-port", "7400"}, "both 7400"},
		{"empty namespace", []string{"--namespace", " "}, "--namespace is empty"},
		{"retention too short", []string{"--retention", "5m"}, "--retention 5m"},
		{"unknown log level", []string{"--log-level", "loud"}, `--log-level "loud"`},
		{"path that is no URI", []string{"--db", "what?.db"}, "--db what?.db"},
		{"stray argument", []string{"start"}, `unexpected argument "start"`},
		{"unknown flag", []string{"--prot", "1"}, "-prot"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse(tc.args, io.Discard)
			if !isRefusal(err) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want a refusal that says %q", err, tc.says)
			}
		})
	}
}

func TestMissingSearchAttributesAreAddedToAnExistingDatabase(t *testing.T) {
	db := databaseWith(t, map[string]enumspb.IndexedValueType{"VakhtaSite": enumspb.INDEXED_VALUE_TYPE_KEYWORD})
	s := start(t, "--port", "0", "--ui-port", "-1", "--db", db)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := operatorservice.NewOperatorServiceClient(s.conn).ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: s.Namespace})
	must(t, err)
	for name, want := range searchAttributes {
		if got.CustomAttributes[name] != want {
			t.Errorf("search attribute %s is %v, want %v", name, got.CustomAttributes[name], want)
		}
	}
}

func TestSearchAttributeOfAnotherTypeIsRefused(t *testing.T) {
	db := databaseWith(t, map[string]enumspb.IndexedValueType{"VakhtaSite": enumspb.INDEXED_VALUE_TYPE_INT})
	wantRefusal(t, []string{"--port", "0", "--ui-port", "-1", "--db", db}, "VakhtaSite", "--db")
}

// databaseWith makes a database whose namespace has only these search attributes, as an older version would have.
func databaseWith(t *testing.T, attributes map[string]enumspb.IndexedValueType) string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "old.db")
	must(t, ensureSchema(db))
	ns, err := sqlite.NewNamespaceConfig(clusterName, "default", false, attributes)
	must(t, err)
	must(t, sqlite.CreateNamespaces(storeConfig(db), ns))
	return db
}

func TestHalfMadeSchemaIsMadeAgain(t *testing.T) {
	db := filepath.Join(t.TempDir(), "state.db")
	must(t, os.WriteFile(db+".new", []byte("cut off in the middle"), 0o600))
	must(t, os.WriteFile(db, nil, 0o600))
	start(t, "--port", "0", "--ui-port", "-1", "--db", db)
}

func TestSignalsStopItCleanly(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			s := start(t, "--port", "0", "--ui-port", "0")
			must(t, s.cmd.Process.Signal(sig))
			timer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
			defer timer.Stop()
			if err := s.cmd.Wait(); err != nil {
				t.Errorf("after %v: %v, want exit code 0", sig, err)
			}
		})
	}
}

func TestEndsWithItsParent(t *testing.T) {
	shell := exec.Command("sh", "-c", `"$0" "$@" & wait`, os.Args[0], "--port", "0", "--ui-port", "-1", "--exit-with-parent")
	shell.Env = append(os.Environ(), asMain+"=1")
	r, w, err := os.Pipe()
	must(t, err)
	shell.Stdout = w
	must(t, shell.Start())
	must(t, w.Close())
	defer r.Close()
	out := bufio.NewReader(r)
	line, err := out.ReadBytes('\n')
	must(t, err)
	var up ready
	must(t, json.Unmarshal(line, &up))
	must(t, shell.Process.Kill())
	_ = shell.Wait()
	must(t, r.SetReadDeadline(time.Now().Add(patience)))
	if _, err := out.ReadByte(); !errors.Is(err, io.EOF) { // the last holder of the pipe's other end is gone
		_ = syscall.Kill(up.PID, syscall.SIGKILL)
		t.Errorf("server outlived its parent: %v", err)
	}
}

func TestNamespaceRetentionAndUIAreAsAsked(t *testing.T) {
	s := start(t, "--port", "0", "--ui-port", "0", "--namespace", "night", "--retention", "48h")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ns, err := workflowservice.NewWorkflowServiceClient(s.conn).DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "night"})
	must(t, err)
	if got := ns.Config.WorkflowExecutionRetentionTtl.AsDuration(); got != 48*time.Hour {
		t.Errorf("retention is %v, want 48h", got)
	}
	resp, err := http.Get(s.UI + "/namespaces/night/workflows")
	must(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK || !bytes.Contains(page, []byte("<html")) {
		t.Errorf("web UI answers %s with %.80q", resp.Status, page)
	}
}

func TestDatabasePathIsMadeAbsolute(t *testing.T) {
	o, err := parse([]string{"--db", "state.db"}, io.Discard)
	must(t, err)
	if !filepath.IsAbs(o.db) {
		t.Errorf("--db state.db became %s, want an absolute path: the connection string would depend on the working directory", o.db)
	}
}
