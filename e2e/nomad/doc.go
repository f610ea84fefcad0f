// Package nomad tests the appliance in a real Nomad agent: with its ACLs, its
// task API, its docker and raw_exec drivers, a real Traefik that finds its
// routes in Nomad's catalog, and a real Tempo as a group of its own.
//
// It needs APPLIANCE_BIN, the peers nomad, traefik and tempo, root, and for the
// tests of the image APPLIANCE_IMAGE and an engine whose containers have a
// network: run it with `make e2e-nomad`.
package nomad
