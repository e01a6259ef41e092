package main

import (
	"fmt"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	clusterName = "active"
	storeName   = "sqlite"
)

// dynamicConfig makes one process on one machine quick. The defaults are made for clusters whose databases must be
// spared. deploy/temporal/dynamicconfig.yaml has the production counterpart.
var dynamicConfig = dynamicconfig.StaticClient{
	// 20/s by default: each hand-over from a workflow to its next task would wait for the poll limiter
	// (start to first activity: 53 ms, with this 8 ms).
	dynamicconfig.TransferProcessorMaxPollRPS.Key(): 1000,
	// 20/s by default, too: a thousand timers within a minute would fire seconds late.
	dynamicconfig.TimerProcessorMaxPollRPS.Key(): 1000,
	// 1s by default: a timer of 100 ms would fire after a second.
	dynamicconfig.TimerProcessorMaxTimeShift.Key(): time.Millisecond,
	// One partition makes task priority exact: urgent before bulk.
	dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
	dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
	dynamicconfig.MatchingEnableFairness.Key():              true,
	// Attributes added at run time work at once.
	dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      true,
	dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 8096,
	dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
}

func newServer(o options, p ports, store *config.SQL) (temporal.Server, error) {
	cfg := serverConfig(p, store)
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: o.logLevel})) // to standard error
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("configure authorizer: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&cfg.Global.Authorization, logger)
	if err != nil {
		return nil, fmt.Errorf("configure claim mapper: %w", err)
	}
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, svc := range cfg.Services {
		hosts[primitives.ServiceName(name)] = static.SingleLocalHost(hostPort(svc.RPC.GRPCPort))
	}
	srv, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicConfig),
	)
	if err != nil {
		return nil, fmt.Errorf("assemble Temporal server: %w", err)
	}
	return srv, nil
}

func serverConfig(p ports, store *config.SQL) *config.Config {
	var c config.Config
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = loopback
	c.Persistence = config.Persistence{
		DefaultStore:     storeName,
		VisibilityStore:  storeName,
		NumHistoryShards: 1,
		DataStores:       map[string]config.DataStore{storeName: {SQL: store}},
	}
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        clusterName,
		CurrentClusterName:       clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
			Enabled:                true,
			InitialFailoverVersion: 1,
			RPCAddress:             hostPort(p.frontend),
			HTTPAddress:            hostPort(p.http),
			ClusterID:              "6f2d1c1e-5d0b-4c5a-9b7e-56616b687461",
		}},
	}
	const disabled = "disabled"
	c.DCRedirectionPolicy.Policy = "noop"
	c.Archival.History.State, c.Archival.Visibility.State = disabled, disabled
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = disabled, disabled
	c.PublicClient.HostPort = hostPort(p.frontend)
	service := func(grpcPort, httpPort int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: grpcPort, HTTPPort: httpPort, BindOnIP: loopback}}
	}
	c.Services = map[string]config.Service{
		string(primitives.FrontendService): service(p.frontend, p.http),
		string(primitives.HistoryService):  service(p.history, 0),
		string(primitives.MatchingService): service(p.matching, 0),
		string(primitives.WorkerService):   service(p.worker, 0),
	}
	return &c
}
