// Command vakhta-devserver runs a Temporal server, its SQLite store and its web UI in one process.
//
// It is what development, the demo and the tests use in place of a cluster. It is a module of its own, so that
// building or testing vakhta itself never compiles a Temporal server. When it is ready it prints one JSON line on
// standard output:
//
//	{"ready":true,"address":"127.0.0.1:7233","ui":"http://127.0.0.1:8233","namespace":"default","pid":4711,"readyMs":640}
//
// Everything else goes to standard error. With --db the state lives in a SQLite file and survives kill -9; without
// it, it dies with the process. SIGINT and SIGTERM stop it cleanly. The exit code is 2 when it refuses to start
// because of its arguments, a port in use or a database in use, and the message names the remedy.
//
// It listens on the loopback address only and has no authentication: it is no production server.
package main
