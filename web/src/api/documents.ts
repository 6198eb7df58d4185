// The documents of the API, as far as the pages read them. What each means stands in docs/operating.md.

export type Login = 'account' | 'none';

export interface Site {
  readonly site: string;
  readonly version: string;
  readonly login: Login;
  readonly has_accounts: boolean;
  readonly viewer: boolean;
}

export type Right = 'look' | 'find' | 'prepare' | 'examine' | 'declare' | 'store' | 'conclude' | 'plan' | 'reconcile';

export interface Me {
  readonly login: Login;
  readonly account: string;
  readonly name: string;
  readonly role: string;
  readonly rights: readonly Right[];
  readonly shared: boolean;
  readonly board: boolean;
}

export type Phase =
  | 'normal' | 'planned' | 'downtime' | 'recovery' | 'reconciliation' | 'second-outage' | 'cancelled';

export interface Scope {
  readonly scope: string;
  readonly phase: Phase;
  readonly outage: number | null;
  readonly since: string | null;
  readonly said_at: string | null;
  readonly reason: string | null;
  readonly by: string | null;
  readonly in_service: boolean;
}

export interface Downtime {
  readonly phase: Phase;
  readonly scopes: readonly Scope[];
}

export type Way = 'ordered' | 'walk-in' | 'unidentified';
export type Stage = 'registered' | 'arrived' | 'acquired' | 'read' | 'cancelled';
export type Wait = 'images' | 'read' | 'call' | 'identity';

export interface Step {
  readonly step: string;
  readonly at: string;
  readonly said_at: string;
  readonly by: string;
  readonly text?: string;
  readonly urgent?: boolean;
  readonly read?: number;
  readonly to?: string;
  readonly read_back?: boolean;
  readonly patient_id?: string;
  readonly reason?: string;
}

export interface Exam {
  readonly way: Way;
  readonly accession: string;
  readonly study: string;
  readonly patient_id: string;
  readonly name: string;
  readonly birth_date: string;
  readonly sex: string;
  readonly modality: string;
  readonly procedure: string;
  readonly place: string;
  readonly device: string;
  readonly at: string;
  readonly by: string;
  readonly stage: Stage;
  readonly waits_for: readonly Wait[];
  readonly identified_as: string | null;
  readonly steps: readonly Step[];
  readonly is_ordered_step?: boolean;
}

export interface Exams {
  readonly exams: readonly Exam[];
  readonly open: number;
  readonly waiting_for: Readonly<Partial<Record<Wait, number>>>;
}

export interface ScheduledStep {
  readonly state: string;
  readonly patient_id: string;
  readonly patient: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly exam: string | null;
}

export interface Worklist {
  readonly steps: readonly ScheduledStep[];
  readonly exams: readonly Exam[];
  readonly is_more: boolean;
  readonly offset: number;
}

export interface Study {
  readonly study: string;
  readonly date: string;
  readonly time: string;
  readonly modalities: readonly string[];
  readonly patient_id: string;
  readonly patient_name: string;
  readonly birth_date: string;
  readonly accession: string;
  readonly description: string;
  readonly series: number;
  readonly instances: number;
  readonly viewer: string | null;
}

export interface Studies {
  readonly studies: readonly Study[];
  readonly is_more: boolean;
  readonly offset: number;
}

export interface Block {
  readonly block: number;
  readonly for: 'patient' | 'accession';
  readonly site: string;
  readonly device: string;
  readonly first: string;
  readonly last: string;
  readonly numbers: number;
  readonly taken: number;
}

export interface NumberBlocks {
  readonly blocks: readonly Block[];
}

export interface Status {
  readonly site: string;
  readonly exposure_seconds: number | null;
  readonly studies: number;
}

/** What one side says of an exam. */
export interface Told {
  readonly patient_id: string;
  readonly name: string;
  readonly birth_date: string;
  readonly sex: string;
  readonly accession: string;
  readonly modalities: readonly string[];
  readonly procedure: string;
  readonly started: string;
}

export interface Side extends Told {
  readonly side: 'registered' | 'identified' | 'images' | 'decided' | 'target';
  readonly differs: readonly string[];
  readonly temporary: readonly string[];
}

export interface Ordered extends Told {
  readonly placer: string;
  readonly filler: string;
  readonly is_cancelled: boolean;
  readonly differs?: readonly string[];
  readonly temporary?: readonly string[];
}

export interface Difference {
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  readonly told: string;
  readonly waits_for: string;
  readonly exam: string;
  readonly study: string;
  readonly order: string;
}

export interface OtherDifference extends Difference {
  readonly ordered: Ordered | null;
}

export interface Decision {
  readonly decision: number;
  readonly verdict: string;
  readonly subject: string;
  readonly at: string;
  readonly reason: string;
  readonly by: string;
  readonly identity: (Omit<Told, 'modalities' | 'started'>) | null;
  readonly state: 'in-force' | 'undone';
  readonly done: readonly { readonly what: string; readonly at: string }[];
  readonly undone: { readonly at: string; readonly reason: string; readonly by: string } | null;
}

export interface ReconciledExam extends Told {
  readonly exam: string;
  readonly registered: boolean;
  readonly at: string | null;
  readonly is_cancelled: boolean;
  readonly is_identified: boolean;
  readonly device: string;
  readonly studies: readonly string[];
  readonly instances: number;
  readonly differences: readonly Difference[];
  readonly decision: Decision | null;
}

export interface Proposal {
  readonly order: string;
  readonly key: number;
  readonly procedure: string;
  readonly points: number;
  readonly certain: boolean;
  readonly but: string;
  readonly for: readonly string[];
  readonly against: readonly string[];
  readonly ordered: Ordered;
}

export interface ExamOnAllSides extends ReconciledExam {
  readonly sides: readonly Side[];
  readonly proposals: readonly Proposal[];
  readonly reads: readonly { readonly read: number; readonly by: string; readonly at: string; readonly urgent: boolean; readonly read_back: boolean }[];
}

export interface Reconciliation {
  readonly outages: readonly number[];
  readonly target: string | null;
  readonly compared_at: string | null;
  readonly cut_short: readonly string[];
  readonly open: number;
  readonly by_wait: Readonly<Record<string, number>>;
  readonly exams: readonly ReconciledExam[];
  readonly others: readonly OtherDifference[];
  readonly is_more: boolean;
}

export interface Decisions {
  readonly decisions: readonly Decision[];
}

export interface Objective {
  readonly service: string;
  readonly name: string;
  readonly disruption: string;
  readonly tolerance: string | null;
  readonly capability: string | null;
  readonly estimate: string | null;
  readonly measurement: string | null;
  readonly rpo_tolerance: string | null;
  readonly rpo_capability: string | null;
  readonly rpo_estimate: string | null;
  readonly rpo_measurement: string | null;
  readonly beyond_tolerance: readonly string[];
}

export type PlanSide = 'it' | 'radiology';

export interface SignedSide {
  readonly unsigned: number;
  readonly shown: string;
  readonly signatures: readonly { readonly name: string; readonly at: string; readonly version: string; readonly reason: string; readonly account: string }[];
  readonly signers: readonly { readonly person: string; readonly name: string; readonly account: string }[];
}

export interface Plan {
  readonly has_plan: true;
  readonly console_key: string;
  readonly title: string;
  readonly hospital: string;
  readonly version: string;
  readonly approved: boolean;
  readonly unsigned: Readonly<Record<PlanSide, readonly string[]>>;
  readonly refused: readonly string[];
  readonly objectives: readonly Objective[];
  readonly signs_here: boolean;
  readonly sides: Readonly<Record<PlanSide, SignedSide>>;
}

export interface NoPlan {
  readonly has_plan: false;
  readonly console_key: string;
}

export interface Finding {
  readonly rule: string;
  readonly title: string;
  readonly kind: string;
  readonly severity: 'critical' | 'high' | 'medium' | 'low';
  readonly subject: string;
  readonly what: string;
  readonly where: string | null;
  readonly services: readonly string[];
  readonly state: 'open' | 'mitigated' | 'accepted';
  readonly owner: string | null;
  readonly until: string | null;
  readonly it: string;
  readonly radiology: string;
}

export interface DueDrill {
  readonly rehearsal: string;
  readonly type: string;
  readonly disruption: string;
  readonly owner: string;
  readonly colour: string;
  readonly why: string;
  readonly due_on: string | null;
  readonly overdue: boolean;
}

export interface Assessment {
  readonly has_plan: boolean;
  readonly open: Readonly<Record<Finding['severity'], number>>;
  readonly services: readonly { readonly service: string; readonly first_blocking: Finding | null }[];
  readonly findings: readonly Finding[];
  readonly broken_rules: readonly { readonly rule: string; readonly trouble: string }[];
  readonly drills: readonly DueDrill[];
}
