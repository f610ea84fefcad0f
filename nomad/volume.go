package nomad

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	volumePatience = 30 * time.Second
	pollEvery      = 500 * time.Millisecond
)

// CreateVolumes makes the dynamic host volumes that the spec asks for and that
// are not there: one a replica, by Nomad's built-in plugin, owned by the
// image's user. Nomad chooses the nodes. It returns once they can be used.
func (c *Cluster) CreateVolumes(ctx context.Context, s Spec, say func(string)) error {
	name := s.Volume()
	stubs, _, err := c.client.HostVolumes().List(nil, c.query(ctx))
	if err := answered(stubs, err); err != nil {
		return fmt.Errorf("list host volumes: %w", err)
	}
	have := 0
	for _, v := range stubs {
		if v.Name == name {
			have++
		}
	}
	for ; have < s.Count; have++ {
		volume, err := c.createVolume(ctx, s)
		if err != nil {
			return err
		}
		say(fmt.Sprintf("volume %s created on node %s: %s", name, short(volume.NodeID), volume.HostPath))
	}
	return nil
}

func (c *Cluster) createVolume(ctx context.Context, s Spec) (*api.HostVolume, error) {
	want := &api.HostVolume{
		Name: s.Volume(), Namespace: s.Namespace, NodePool: s.NodePool, PluginID: "mkdir",
		Parameters: map[string]string{"uid": strconv.Itoa(imageUID), "gid": strconv.Itoa(imageUID), "mode": "0750"},
	}
	for _, access := range []api.HostVolumeAccessMode{api.HostVolumeAccessModeSingleNodeSingleWriter, api.HostVolumeAccessModeSingleNodeMultiWriter} {
		want.RequestedCapabilities = append(want.RequestedCapabilities, &api.HostVolumeCapability{
			AccessMode: access, AttachmentMode: api.HostVolumeAttachmentModeFilesystem,
		})
	}
	for _, text := range s.Constraints {
		constraint, err := parseConstraint(text)
		if err != nil {
			return nil, err
		}
		want.Constraints = append(want.Constraints, constraint)
	}
	answer, _, err := c.client.HostVolumes().Create(&api.HostVolumeCreateRequest{Volume: want}, c.write(ctx))
	if err == nil && answer.Volume == nil {
		err = &notNomadError{"it has no Volume"}
	}
	if err != nil {
		return nil, fmt.Errorf("create host volume %s: %w; a volume of your own can be named with --data", s.Volume(), Readable(err))
	}
	over := time.After(volumePatience)
	for volume := answer.Volume; ; {
		if volume.State == api.HostVolumeStateReady {
			return volume, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over:
			return nil, fmt.Errorf("host volume %s is %s after %s", s.Volume(), volume.State, volumePatience)
		case <-time.After(pollEvery):
		}
		if volume, _, err = c.client.HostVolumes().Get(answer.Volume.ID, c.query(ctx)); err != nil {
			return nil, fmt.Errorf("read host volume %s: %w", s.Volume(), Readable(err))
		}
	}
}

// short is the part of an id that Nomad's own commands print.
func short(id string) string { return id[:min(8, len(id))] }
