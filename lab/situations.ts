/**
 * Every state of the diagram as the real loop publishes it, in a simulated gateway: for tests of the surfaces
 * and for looking at them.
 */

import type { BridgeSight } from '../src/core/model/bridge.ts';
import type { CertificateSet, Moment, Revocation } from '../src/core/model/files.ts';
import type { ConfSight } from '../src/core/model/named-set.ts';
import type { Publication } from '../src/core/status/cycle.ts';
import { createHistory, record } from '../src/core/status/history.ts';
import type { Snapshot } from '../src/core/status/snapshot.ts';
import * as fix from './core-fixtures.ts';
import { createFakeClock } from './fake-clock.ts';
import { createSimulatedService } from './simulated-service.ts';
import { createWorld, sameMachine, type World, type WorldOptions } from './world.ts';

const DAY_MS = fix.DAY_MS;
const HOUR_MS = 3_600_000;

export interface Situation {
  readonly publications: readonly Publication[];
  readonly snapshot: Snapshot;
  readonly now: Moment;
}

/** Server and connection as a good probe sees them. */
const CONNECTION = {
  address: '192.0.2.7:8883',
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  server: {
    subject: 'CN=broker.example.com',
    issuer: 'CN=Example CA',
    notAfterMs: fix.EPOCH_MS + 200 * DAY_MS,
    daysRemaining: 200,
  },
};

const MQTT = { tls: false, host: 'broker', port: 1883 };

function bridge(up: boolean): BridgeSight {
  return fix.sight([fix.bridge({ up })]);
}

const healthy = fix.probeSuccess(CONNECTION);
const rejected = fix.probeFailure(CONNECTION);

/** A broker that has the set called `old`, and a watcher that knows it. */
async function settled({
  forMs = 600_000,
  ...options
}: WorldOptions & { forMs?: number } = {}): Promise<World> {
  const world = createWorld(options);
  world.verdict = () => healthy;
  world.put(fix.set('a1b2c3d4e5f60718293a4b5c6d7e8f90', -7_200_000));
  world.startWatcher();
  await world.advance(forMs);
  return world;
}

async function rotated(world: World, name = 'ffeeddccbbaa99887766554433221100'): Promise<World> {
  world.write(name);
  await world.advance(60_000);
  return world;
}

/** A gateway with two directories whose broker has the set called `old`. */
async function inTwoPhases(): Promise<World> {
  const world = createWorld({ twoPhases: true, settings: { incomingDir: '/incoming' } });
  world.verdict = () => healthy;
  world.live.find(fix.set('a1b2c3d4e5f60718293a4b5c6d7e8f90', -7_200_000));
  world.put(fix.set('a1b2c3d4e5f60718293a4b5c6d7e8f90', -7_200_000));
  world.startWatcher();
  await world.advance(600_000);
  return world;
}

/** A gateway that watches the certificate of a listener, which presents the set called `old`. */
async function atListener(): Promise<World> {
  const world = createWorld({
    brokerUrl: { tls: true, host: 'broker', port: 8883 },
    settings: {
      ...fix.LISTENER_SETTINGS,
      reloadStrategy: 'sighup',
    },
  });
  world.verdict = () => fix.probeSuccess({ proof: 'pair' });
  world.put(fix.set('a1b2c3d4e5f60718293a4b5c6d7e8f90', -7_200_000, fix.LISTENER_FILES));
  world.presented = fix.certificate().sha256;
  world.startWatcher();
  await world.advance(600_000);
  return world;
}

/** The sets of a gateway's broker, with these changes, as its configuration names them. */
function putSets(
  world: World,
  {
    cloud = fix.set('a1b2c3d4e5f60718293a4b5c6d7e8f90', -7_200_000),
    revocation,
  }: { cloud?: CertificateSet; revocation?: Revocation },
  conf?: ConfSight,
) {
  const name = revocation === undefined ? '00ff00ff00ff00ff' : '11ee11ee11ee11ee';
  const listener = fix.set(
    name,
    revocation === undefined ? -7_200_000 : world.elapsedMs(),
    revocation && { revocation },
  );
  const files = fix.several([fix.named('bridge cloud', cloud), fix.named('listener 8883', listener)]);
  world.put(conf === undefined ? files : { ...files, conf });
}

/** A gateway whose broker has a bridge and a listener, which the watcher knows from its configuration. */
async function severalSets(): Promise<World> {
  const world = createWorld({
    settings: { mosquittoConf: '/mosquitto/mosquitto.conf', upstream: undefined, tlsSni: undefined },
  });
  world.verdict = () => ({
    ...fix.probeSuccess({ proof: 'pair' }),
    sets: { 'bridge cloud': healthy, 'listener 8883': fix.probeSuccess({ proof: 'pair' }) },
  });
  putSets(world, {});
  world.startWatcher();
  await world.advance(600_000);
  return world;
}

/** A manager of a swarm whose service gets the set called `old` from its watcher. */
async function inSwarm(forMs: number) {
  const clock = createFakeClock();
  const service = createSimulatedService(clock);
  const world = createWorld({ clock, service });
  world.verdict = () => healthy;
  world.write('a1b2c3d4e5f60718293a4b5c6d7e8f90');
  const watcher = world.startWatcher();
  await clock.advance(forMs);
  return { world, service, watcher };
}

/** By name: the gateway in a state, the watcher having reacted to it. */
export const SITUATIONS: Readonly<Record<string, () => Promise<World>>> = {
  starting: async () => createWorld(),
  well: async () => {
    const world = await settled();
    await rotated(world);
    await world.advance(HOUR_MS);
    return world;
  },
  already_current: async () => settled({ forMs: 1_000 }),
  just_started: async () => {
    const world = createWorld({ settings: { probeEnabled: false } });
    world.put(fix.set('a1b2c3d4e5f60718293a4b5c6d7e8f90', -600_000));
    world.startWatcher();
    await world.advance(1_000);
    return world;
  },
  several: async () => settled({ brokers: ['eclipse-mosquitto', 'standby'] }),
  two_phases: async () => rotated(await inTwoPhases()),
  incoming_refused: async () => {
    const world = await inTwoPhases();
    world.verdict = () => rejected;
    return rotated(world);
  },
  incoming_missing: async () => {
    const world = await inTwoPhases();
    const complaints = [{ file: 'client.key', cause: 'missing', problem: 'does not exist', hint: 'wait' }];
    world.put({ kind: 'incomplete', identity: 'gone', complaints });
    await world.advance(60_000);
    return world;
  },
  promoting: async () => {
    const world = await inTwoPhases();
    world.live.takesMs = HOUR_MS;
    world.write('ffeeddccbbaa99887766554433221100');
    await world.advance(15_000);
    return world;
  },
  promotion_failed: async () => {
    const world = await inTwoPhases();
    world.live.failure = {
      cause: 'disk_full',
      problem: '/certs cannot be changed: ENOSPC: no space left on device',
      hint: 'free space on the file system of CERT_DIR',
    };
    return rotated(world);
  },
  rolled_back: async () => {
    const world = await inTwoPhases();
    world.nextStart = { up: false, status: 'exited', exitCode: 1 };
    world.write('ffeeddccbbaa99887766554433221100');
    while (world.restarts.length === 0) await world.advance(100);
    world.nextStart = {};
    await world.advance(600_000);
    return world;
  },
  service_updating: async () => (await inSwarm(13_000)).world,
  service_updated: async () => (await inSwarm(20_000)).world,
  service_update_failed: async () => {
    const { world, service, watcher } = await inSwarm(60_000);
    service.taskFails = 'pauses';
    await rotated(world);
    await world.advance(HOUR_MS);
    watcher.kill();
    world.startWatcher();
    await world.advance(20_000);
    return world;
  },
  set_outdated: async () => {
    const { world, service, watcher } = await inSwarm(60_000);
    watcher.kill();
    await service.update(service.state().version, 'ffeeddccbbaa99887766554433221100');
    await world.advance(HOUR_MS);
    world.startWatcher();
    await world.advance(20_000);
    return world;
  },
  bridge_up: async () => {
    const world = await settled({ brokerUrl: MQTT });
    world.hearBridges(bridge(true));
    await world.advance(1_000);
    return world;
  },
  bridge_down: async () => {
    const world = await settled({ brokerUrl: MQTT });
    world.hearBridges(bridge(false));
    await world.advance(1_000);
    return world;
  },
  bridge_unknown: async () => {
    const world = await settled({ brokerUrl: MQTT });
    world.hearBridges({ ok: false, problem: 'mqtt://broker:1883 refuses the login', hint: 'check the user' });
    await world.advance(60_000);
    return world;
  },
  reloaded: async () => {
    const world = await settled({ brokerUrl: MQTT, settings: { reloadStrategy: 'sighup' } });
    world.hearBridges(bridge(true));
    world.onHangUp = () => {
      world.bridges = fix.sight([fix.bridge({ fellAt: 3, roseAt: 4 })], { messages: 4, lastLive: 4 });
      return { ok: true, value: undefined };
    };
    return rotated(world);
  },
  reload_insufficient: async () => {
    const world = await settled({ brokerUrl: MQTT, settings: { reloadStrategy: 'sighup' } });
    world.hearBridges(bridge(true));
    return rotated(world);
  },
  listener_well: async () => atListener(),
  listener_outdated: async () => {
    const world = await atListener();
    world.presented = 'd'.repeat(64);
    await world.advance(120_000);
    return world;
  },
  listener_unknown: async () => {
    const world = await atListener();
    world.presented = undefined;
    await world.advance(120_000);
    return world;
  },
  listener_not_proved: async () => {
    const world = await atListener();
    world.isListenerOurs = false;
    return rotated(world);
  },
  listener_signalled_by_hand: async () => {
    const world = await atListener();
    const leaf = fix.certificate({ sha256: 'e'.repeat(64), notAfterMs: fix.EPOCH_MS + 50 * DAY_MS });
    world.presented = leaf.sha256;
    world.write('ffeeddccbbaa99887766554433221100', { ...fix.LISTENER_FILES, leaf });
    await world.advance(60_000);
    return world;
  },
  listener_key_unreadable: async () => {
    const world = await atListener();
    const error = '/certs/privkey.pem may not be read by this user (permission denied)';
    const hint = 'the private key was not judged: let this user read /certs/privkey.pem';
    world.verdict = () =>
      fix.probeFailure({ cause: 'local_file', phase: 'files', error, hint, keyUnreadable: true });
    return rotated(world);
  },
  several_sets: async () => severalSets(),
  several_sets_one_refused: async () => {
    const world = await severalSets();
    world.verdict = () => ({
      ...healthy,
      sets: { 'bridge cloud': rejected, 'listener 8883': fix.probeSuccess({ proof: 'pair' }) },
    });
    putSets(world, { cloud: fix.set('ffeeddccbbaa99887766554433221100', world.elapsedMs()) });
    await world.advance(60_000);
    return world;
  },
  several_sets_two_addresses: async () => {
    const world = await severalSets();
    const down = fix.probeFailure({
      cause: 'tcp',
      phase: 'tcp',
      hint: 'nothing listens at 192.0.2.8:8883: is the upstream broker up, and is this its TLS port (8883)?',
      error: 'connect ECONNREFUSED 192.0.2.8:8883',
    });
    const addresses = [
      { upstream: 'cloud.example.com:8883', verdict: healthy },
      { upstream: '192.0.2.8:8883', verdict: down },
    ];
    world.verdict = () => ({
      ...healthy,
      sets: {
        'bridge cloud': { ...healthy, addresses },
        'listener 8883': fix.probeSuccess({ proof: 'pair' }),
      },
    });
    putSets(world, { cloud: fix.set('ffeeddccbbaa99887766554433221100', world.elapsedMs()) });
    await world.advance(600_000);
    return world;
  },
  several_sets_and_a_broken_configuration: async () => {
    const world = await severalSets();
    putSets(
      world,
      {},
      {
        path: '/mosquitto/mosquitto.conf',
        problem: {
          path: '/mosquitto/mosquitto.conf',
          line: 7,
          text: 'repeats bridge_cafile, which Mosquitto refuses',
          sinceMonoMs: undefined,
        },
        findings: [
          { about: 'bridge cloud', problem: 'has "notifications false"', hint: 'take that line out' },
        ],
      },
    );
    await world.advance(60_000);
    return world;
  },
  crl_expiring: async () => {
    const world = await severalSets();
    putSets(world, {
      revocation: {
        file: '/certs/house.crl',
        sha256: 'e'.repeat(64),
        thisUpdateMs: fix.EPOCH_MS,
        nextUpdateMs: fix.EPOCH_MS + HOUR_MS,
      },
    });
    await world.advance(HOUR_MS * 0.7);
    return world;
  },
  crl_expired: async () => {
    const world = await severalSets();
    const revocation = { file: '/certs/house.crl', sha256: 'e'.repeat(64), thisUpdateMs: 0 };
    putSets(world, { revocation: { ...revocation, nextUpdateMs: fix.EPOCH_MS } });
    await world.advance(60_000);
    return world;
  },
  unreadable: async () => {
    const world = await settled({ settings: { brokerUser: { uid: 1883, gid: 1883 } } });
    const path = '/certs/client.key';
    world.write('ffeeddccbbaa99887766554433221100', {
      unreadable: [
        {
          file: 'client.key',
          path,
          problem: 'does not let it read (mode 600, owner 0, group 0)',
          fix: `chgrp 1883 ${path} && chmod g+r ${path}`,
        },
      ],
    });
    await world.advance(60_000);
    return world;
  },
  roll_stopped: async () => {
    const world = await settled({ brokers: ['eclipse-mosquitto', 'standby'] });
    world.brokerCalled('eclipse-mosquitto').nextStart = { up: false, status: 'exited', exitCode: 1 };
    await rotated(world);
    await world.advance(HOUR_MS / 2);
    return world;
  },
  missing: async () => {
    const world = createWorld();
    const hint = 'wait for the agent that writes it, or check CERT_DIR and the file names';
    const complaint = (file: string) => ({ file, cause: 'missing', problem: 'does not exist', hint });
    world.put({
      kind: 'incomplete',
      identity: 'i',
      complaints: [complaint('client.crt'), complaint('client.key')],
    });
    world.startWatcher();
    await world.advance(10_000);
    return world;
  },
  changing: async () => {
    const world = await settled();
    world.put({ kind: 'changing', identity: 'c' });
    await world.advance(50);
    return world;
  },
  unparsable: async () => {
    const world = await settled();
    const problem = 'holds no PEM certificate: it looks like DER';
    const hint = 'look at the file with openssl x509 -noout -text, and have the agent write it again';
    world.put({
      kind: 'unparsable',
      identity: 'u',
      complaints: [{ file: 'client.crt', cause: 'unparsable', problem, hint }],
    });
    await world.advance(30_000);
    return world;
  },
  expired: async () => {
    const world = await settled();
    world.write('0badc0de0badc0de0badc0de0badc0de', {
      leaf: fix.certificate({ notAfterMs: fix.EPOCH_MS - 3 * DAY_MS }),
    });
    await world.advance(30_000);
    return world;
  },
  expiring: async () => {
    const world = createWorld();
    world.verdict = () => healthy;
    world.put(
      fix.set('a1b2c3d4e5f60718293a4b5c6d7e8f90', -7_200_000, {
        leaf: fix.certificate({
          notBeforeMs: fix.EPOCH_MS - 84 * DAY_MS,
          notAfterMs: fix.EPOCH_MS + 6 * DAY_MS,
        }),
      }),
    );
    world.startWatcher();
    await world.advance(600_000);
    return world;
  },
  not_yet_valid: async () => {
    const world = await settled();
    world.write('11112222333344445555666677778888', {
      leaf: fix.certificate({ notBeforeMs: fix.EPOCH_MS + 2 * DAY_MS }),
    });
    await world.advance(30_000);
    return world;
  },
  key_mismatch: async () => {
    const world = await settled();
    world.verdict = () =>
      fix.probeFailure({
        cause: 'client_key_mismatch',
        phase: 'files',
        error: '/certs/client.key and /certs/client.crt do not belong together',
        hint: 'wait for the agent to write the other file, or write both again',
        file: '/certs/client.key',
      });
    return rotated(world);
  },
  not_stable: async () => {
    const world = await settled();
    world.write('ffeeddccbbaa99887766554433221100');
    await world.advance(4_000);
    return world;
  },
  splayed: async () => {
    const world = await settled({ settings: { splayMs: 900_000 } });
    return rotated(world);
  },
  outside_window: async () => {
    const world = await settled({
      settings: { restartWindow: fix.restartWindow('Mon-Fri 02:00-04:00', 'Europe/Berlin') },
    });
    return rotated(world);
  },
  requested: async () => {
    const world = await settled({ settings: { restartWindow: fix.restartWindow('Mon 02:00-04:00') } });
    world.request('restart');
    await world.advance(1_000);
    await rotated(world);
    world.request('restart');
    await world.advance(HOUR_MS);
    return world;
  },
  another_watcher: async () => {
    const world = createWorld({ sight: sameMachine });
    // it is seen to run, and takes its time
    world.startWatcher().hang();
    world.verdict = () => healthy;
    world.write('a1b2c3d4e5f60718293a4b5c6d7e8f90');
    world.startByHand();
    world.startWatcher();
    await world.advance(HOUR_MS);
    world.write('ffeeddccbbaa99887766554433221100');
    await world.advance(14_000);
    return world;
  },
  cooldown: async () => {
    const world = await rotated(await settled());
    return rotated(world, '99887766554433221100ffeeddccbbaa');
  },
  probe_pending: async () => {
    const world = await settled({ settings: { stabilityWindowMs: 0 } });
    world.write('ffeeddccbbaa99887766554433221100');
    await world.advance(1_000);
    return world;
  },
  rejected: async () => {
    const world = await settled({ forMs: HOUR_MS });
    world.verdict = ({ fingerprint }) => (fingerprint.startsWith('ff') ? rejected : healthy);
    await rotated(world);
    await world.advance(300_000);
    return world;
  },
  upstream_down: async () => {
    const world = await rotated(await settled());
    const hint = 'see whether the broker is up, the port is right and no firewall is in the way';
    const error = 'connect ECONNREFUSED 192.0.2.7:8883';
    world.verdict = () => fix.probeFailure({ cause: 'tcp', phase: 'tcp', hint, error });
    await world.advance(900_000);
    return world;
  },
  disabled: async () => rotated(await settled({ settings: { restartEnabled: false } })),
  engine_down: async () => {
    const world = await settled();
    world.engineDown = fix.engineFailure({
      cause: 'permission_denied',
      problem: 'GET /var/run/docker.sock: connect EACCES',
      hint: 'run the watcher with the group of the socket (stat -c %g), or let the proxy allow the call',
    });
    return rotated(world);
  },
  broker_stopped: async () => {
    const world = await settled();
    if (world.broker) world.broker = { ...world.broker, up: false, status: 'exited', exitCode: 0 };
    return rotated(world);
  },
  broker_paused: async () => {
    const world = await settled({ settings: { metricsEnabled: true } });
    world.pause();
    return rotated(world);
  },
  broker_starting: async () => {
    const world = await settled();
    world.brokerCalled('eclipse-mosquitto').check = { says: 'healthy', afterMs: 120_000 };
    return rotated(world);
  },
  never_healthy: async () => {
    const world = await settled({ settings: { metricsEnabled: true } });
    world.brokerCalled('eclipse-mosquitto').check = { says: 'unhealthy', afterMs: 20_000 };
    return rotated(world);
  },
  restarting: async () => {
    const world = await settled();
    world.write('ffeeddccbbaa99887766554433221100');
    await world.advance(11_000);
    return world;
  },
  unhealthy: async () => {
    const world = await settled();
    world.nextStart = { up: false, status: 'exited', exitCode: 1 };
    await rotated(world);
    await world.advance(400_000);
    return world;
  },
  recovered: async () => {
    const world = await settled({ settings: { metricsEnabled: true } });
    world.nextStart = { up: false, status: 'exited', exitCode: 1 };
    await rotated(world);
    world.nextStart = {};
    world.startByHand();
    await world.advance(60_000);
    return world;
  },
  crashed: async () => {
    const world = await settled({ settings: { metricsEnabled: true } });
    if (world.broker) world.broker = { ...world.broker, up: false, status: 'exited', exitCode: 139 };
    await world.advance(61_000);
    return world;
  },
  uncertain: async () => {
    const world = await settled();
    world.restartCall = 'lost';
    return rotated(world);
  },
  refused: async () => {
    const world = await settled();
    world.restartCall = 'refused';
    return rotated(world);
  },
  probe_off: async () => rotated(await settled({ settings: { probeEnabled: false } })),
};

/** The gateway in this state, to go on with. */
export async function worldIn(name: string): Promise<World> {
  const make = SITUATIONS[name];
  if (make === undefined) throw new Error(`there is no situation ${name}`);
  return make();
}

const known = new Map<string, Promise<Situation>>();

/** Everything that was published until then, and the snapshot that it folds into. */
export function situation(name: string): Promise<Situation> {
  const found = known.get(name) ?? worldIn(name).then(situationOf);
  known.set(name, found);
  return found;
}

function situationOf(world: World): Situation {
  return { publications: [...world.publications], snapshot: snapshotOf(world), now: world.clock.now() };
}

/** The snapshot of everything that this world's watcher has published. */
export function snapshotOf(world: World): Snapshot {
  return world.publications.reduce(record, createHistory(world.settings, fix.at(0))).snapshot;
}
