import { describe, expect, it } from 'vitest';
import { hostPort } from '../../../src/core/text/address.ts';

describe('a host with its port', () => {
  it.each([
    ['broker.example.com', 'broker.example.com:8883'],
    ['192.0.2.7', '192.0.2.7:8883'],
    ['2001:db8::7', '[2001:db8::7]:8883'],
    ['fe80::1%eth0', '[fe80::1%eth0]:8883'],
  ])('%s is written as %s', (host, written) => {
    expect(hostPort({ host, port: 8_883 })).toBe(written);
  });
});
