package imta

import (
	"testing"

	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
)

func TestSuite(t *testing.T) { adaptertest.Run(t, Adapter) }
