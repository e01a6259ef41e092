package labtest_test

import (
	"testing"

	"vakhta/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }
