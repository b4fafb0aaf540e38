export { findDisagreements } from "./disagreements.ts";
export { type EngineUnderTest, engineContract } from "./engine-contract.ts";
export { expiredCertificate } from "./expired-certificate.ts";
export {
  type Fault,
  type FaultName,
  type FaultProxy,
  type FaultProxyOptions,
  faults,
  type ProxiedRequest,
  startFaultProxy,
} from "./fault-proxy.ts";
export {
  createQuickTime,
  endlessFaults,
  type FaultyVendor,
  findChangedTwice,
  startFaultyVendor,
} from "./faulty-vendor.ts";
export { type FlagStoreUnderTest, flagStoreContract } from "./flag-store-contract.ts";
export { type LedgerUnderTest, ledgerContract } from "./ledger-contract.ts";
export { findStretchLimit, measureLongestStretch, repeatMeasurement, type Stretch } from "./longest-stretch.ts";
export { checkOpenApiAnswer, findOpenApiFaults, listOpenApiCalls } from "./openapi-faults.ts";
export { listServedRoutes, type ServedRoute } from "./served-routes.ts";
export { type StartedVendor, type StartVendorOptions, startVendor } from "./start-vendor.ts";
export { createTestClock, type TestClock } from "./test-clock.ts";
export { createTestHost, type TestHost } from "./test-host.ts";
export { until } from "./until.ts";
export {
  type UpstreamAddress,
  type UpstreamPromise,
  type UpstreamUnderTest,
  upstreamContract,
  watchChanges,
} from "./upstream-contract.ts";
export type {
  ContractCall,
  ContractError,
  ContractReply,
  VendorUnderTest,
} from "./vendor-contract/tested-vendor.ts";
export { type VendorPromise, vendorContract } from "./vendor-contract/vendor-contract.ts";
