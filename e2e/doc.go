// Package e2e tests the appliance as people have it: the binary, with real
// clients before it and a real Tempo behind it.
//
//	CGO_ENABLED=0 go build -o .cache/appliance ./cmd/appliance
//	.ci/peers/build traefik telemetrygen otelcol node tempo
//	cd e2e && APPLIANCE_BIN=../.cache/appliance go test ./...
//
// It is a module of its own because its clients need newer libraries than Tempo
// can be built with. What e2e/blocks needs of the main module it has by a
// replace directive; of that, nothing may link Tempo.
package e2e
