package serve

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"appliance/archive"
	"appliance/internal/config"
	"appliance/internal/rules"
)

func TestHalve(t *testing.T) {
	op := func(service, name string, bytes int64) archive.OperationUsage {
		return archive.OperationUsage{Service: service, Operation: name, Bytes: bytes}
	}
	for name, x := range map[string]struct {
		operations []archive.OperationUsage
		conf       config.Sampler
		want       []string
	}{
		"nothing": {want: []string{}},
		"one operation is most of it": {
			[]archive.OperationUsage{op("shop", `GET "/health"`, 70), op("cart", "GET", 30)}, config.Sampler{Probability: 1},
			[]string{`receiver.rules: drop span where resource.service.name = "shop" and name = "GET \"/health\"" (70 % of it)`, "sampler.services.shop: 0.29 (now 1)"},
		},
		"one service is most of it": {
			[]archive.OperationUsage{op("shop", "a", 40), op("shop", "b", 40), op("cart", "GET", 20)}, config.Sampler{Probability: 1, Services: map[string]float64{"shop": 0.2}},
			[]string{"sampler.services.shop: 0.075 (now 0.2)"},
		},
		"many services": {
			[]archive.OperationUsage{op("a", "x", 34), op("b", "x", 33), op("c", "x", 33)}, config.Sampler{Probability: 0.1},
			[]string{"sampler.probability: 0.05 (now 0.1), and half for each of sampler.services"},
		},
		"one service alone": {
			[]archive.OperationUsage{op("a", "x", 40), op("a", "y", 30), op("a", "z", 30)}, config.Sampler{Probability: 1},
			[]string{"sampler.probability: 0.5 (now 1), and half for each of sampler.services"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := halve(x.operations, x.conf)
			if diff := cmp.Diff(x.want, got); diff != "" {
				t.Error(diff)
			}
			for _, advice := range got {
				if rule, ok := strings.CutPrefix(advice, "receiver.rules: "); ok {
					rule, _, _ = strings.Cut(rule, " (")
					if _, err := rules.New([]string{rule}); err != nil {
						t.Errorf("the rule that is advised is refused: %v", err)
					}
				}
			}
		})
	}
}
