package main

import (
	"context"
	"fmt"
	"net"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// searchAttributes are what vakhta's workflows upsert. The same names stand in workflows/ and in the cluster's
// set-up in deploy/.
var searchAttributes = map[string]enumspb.IndexedValueType{
	"VakhtaIncident": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"VakhtaSite":     enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"VakhtaSeverity": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"VakhtaClient":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"VakhtaStatus":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"VakhtaRunbook":  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"VakhtaClients":  enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}

// awaitReady returns once the frontend answers for the namespace, the search attributes are all there and the UI
// accepts connections.
func awaitReady(ctx context.Context, o options, p ports) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	conn, err := grpc.NewClient(hostPort(p.frontend), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to own frontend: %w", err)
	}
	defer func() { _ = conn.Close() }()
	frontend := workflowservice.NewWorkflowServiceClient(conn)
	if err := retry(ctx, func() error {
		_, err := frontend.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: o.namespace})
		return err
	}); err != nil {
		return fmt.Errorf("wait for the frontend on port %d: %w", p.frontend, err)
	}
	operator := operatorservice.NewOperatorServiceClient(conn)
	if err := retry(ctx, func() error { return ensureAttributes(ctx, operator, o.namespace) }); err != nil {
		return err
	}
	if o.uiPort < 0 {
		return nil
	}
	if err := retry(ctx, func() error { return dial(ctx, hostPort(p.ui)) }); err != nil {
		return fmt.Errorf("wait for the web UI on port %d: %w", p.ui, err)
	}
	return nil
}

// ensureAttributes adds the search attributes that the namespace lacks: a database written by an older version, or
// by another tool, doesn't have them all.
func ensureAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string) error {
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list search attributes of namespace %s: %w", namespace, err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, want := range searchAttributes {
		got, ok := have.CustomAttributes[name]
		if !ok {
			missing[name] = want
			continue
		}
		if got != want {
			return refusal("search attribute %s of namespace %s is of type %s, not %s: remove it from this database, or give another file with --db",
				name, namespace, got, want)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	}); err != nil {
		return fmt.Errorf("add search attributes %v to namespace %s: %w", missing, namespace, err)
	}
	return nil
}

// retry calls try until it succeeds, is refused for good, or ctx is done.
func retry(ctx context.Context, try func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil || isRefusal(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func dial(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
