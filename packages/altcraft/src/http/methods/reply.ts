/** What a method answers with: the members of the envelope beside `error` and `error_text`, and the batch that it made. */
export interface MethodReply {
  members: Record<string, unknown>;
  batch?: number;
}

/** What every reply says where all went well. */
export const success = { error: 0, error_text: "Successful operation" };
