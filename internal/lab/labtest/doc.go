// Package labtest is the harness of the whole-system tests: a stand with the
// real worker and gateway processes, the embedded Temporal server, the
// simulated estate and the provider sandbox, in words that read like the story
// that is tested.
//
//	func TestMain(m *testing.M) { labtest.Main(m) }
//
//	func TestAClientIsAnswered(t *testing.T) {
//		s := labtest.Open(t)
//		outage := s.Outage("msk-r2-k04-pdu-a", estate.Down, "romashka-duty")
//		require.NoError(t, outage.Play(t.Context()))
//		require.NoError(t, s.Audit(t.Context()))
//	}
//
// Everything waits for conditions with a generous time limit; nothing sleeps
// for luck. A test that fails shows the ends of the processes' logs.
package labtest
